"""Storage against database: files that are missing, damaged, or that no row names."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.core.files.storage import default_storage
from django.utils import timezone

from processing import originals
from processing.fingerprint import original_key
from processing.models import Lease, Original, Rendition
from processing.storages import FileMissing, call_storage
from uploads import services
from uploads.models import Upload

# Seconds within which a file that is being received gets its row.
_SETTLE = 10
_BATCH = 200


@dataclass(slots=True)
class Findings:
    """Keys of files: named by a row but missing or damaged, or there without a row."""

    checked: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    unreferenced: list[str] = field(default_factory=list)
    fixed: list[str] = field(default_factory=list)

    @property
    def open(self) -> list[str]:
        """Return what is wrong and has not been mended."""
        mended = set(self.fixed)
        return [key for key in [*self.missing, *self.damaged, *self.unreferenced] if key not in mended]


def audit() -> Findings:
    """Compare every row with its file, and every file with the rows; change nothing.

    Reads every byte stored. Raises `StorageUnavailable`.
    """
    findings = Findings()
    for key, digest in _expected():
        findings.checked += 1
        stored = _stored_digest(key)
        if stored is None:
            findings.missing.append(key)
        elif stored != digest:
            findings.damaged.append(key)
    findings.unreferenced = _unreferenced()
    return findings


def fix(findings: Findings) -> None:
    """Mend what can be: render again, and remove what no row names.

    An original that is missing or damaged cannot be: its owner has to send it again.
    """
    for key in findings.unreferenced:
        originals.delete_file(key)
        findings.fixed.append(key)
    broken = Rendition.objects.filter(key__in=[*findings.missing, *findings.damaged])
    lost = {key for key in (*findings.missing, *findings.damaged) if key.startswith("originals/")}
    hopeful = [
        row
        for row in broken.select_related("original")
        if original_key(row.original.content_hash) not in lost
    ]
    Rendition.objects.filter(pk__in=[row.pk for row in hopeful]).update(redo=True)
    uploads = Upload.objects.filter(original__in=[row.original_id for row in hopeful], deleted_at=None)
    services.reprocess(uploads=list(uploads), bulk=True)
    findings.fixed += [row.key for row in hopeful]


def _expected() -> Iterator[tuple[str, str]]:
    """Yield the key and the SHA-256 of every file that a row names."""
    for content_hash in (
        Original.objects.order_by("pk").values_list("content_hash", flat=True).iterator(_BATCH)
    ):
        yield original_key(content_hash), content_hash
    yield from Rendition.objects.order_by("pk").values_list("key", "digest").iterator(_BATCH)


def _stored_digest(key: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with call_storage(lambda: default_storage.open(key)) as file:
            while chunk := call_storage(lambda: file.read(1 << 20)):
                digest.update(chunk)
    except FileMissing:
        return None
    return digest.hexdigest()


def _unreferenced() -> list[str]:
    """Return the keys of files that no row names and nobody is about to name."""
    strays = _without_rows([*_walk("originals"), *_walk("renditions")])
    youngest = max((_age_limit(key) for key in strays), default=0.0)
    if youngest > time.time():
        # A file comes before its row: what is this young gets a second look.
        time.sleep(min(_SETTLE, youngest - time.time()))
        strays = _without_rows(strays)
    return strays


def _without_rows(keys: list[str]) -> list[str]:
    named = {key for key, _ in _expected()}
    leased = Lease.objects.filter(expires_at__gt=timezone.now())
    in_work = set(leased.values_list("original__public_key", flat=True))
    return [key for key in keys if key not in named and not _belongs_to(key, in_work)]


def _belongs_to(key: str, public_keys: set[str]) -> bool:
    """Tell whether a file lies in the folder of one of these originals."""
    folders = key.split("/")
    return len(folders) == 4 and folders[2] in public_keys


def _age_limit(key: str) -> float:
    try:
        return call_storage(lambda: default_storage.get_modified_time(key)).timestamp() + _SETTLE
    except FileMissing:
        return 0.0


def _walk(folder: str) -> Iterator[str]:
    """Yield the keys of all files in a folder and those below it."""
    try:
        folders, files = call_storage(lambda: default_storage.listdir(folder))
    except FileMissing:
        return
    for name in sorted(files):
        # The folder's own marker in a fresh clone is no media.
        if name != ".gitkeep":
            yield f"{folder}/{name}"
    for name in sorted(folders):
        yield from _walk(f"{folder}/{name}")
