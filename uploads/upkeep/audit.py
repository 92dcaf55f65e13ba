"""The audit compares storage and database: it finds missing, damaged and orphaned files."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from processing.fingerprint import original_key
from processing.models import Original, Rendition
from processing.storages.media import FileMissing, call_storage, media
from uploads import services
from uploads.models import Upload
from uploads.upkeep import orphans

# Seconds within which a file that is being received gets its row.
_SETTLE = 10
_BATCH = 200


@dataclass(slots=True)
class Findings:
    """Keys of files that are missing, damaged, or orphaned (`unreferenced`).

    `lost` holds the missing and damaged originals and their broken renditions, which cannot be restored.
    """

    checked: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    unreferenced: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    fixed: list[str] = field(default_factory=list)

    @property
    def broken(self) -> list[str]:
        """Return the keys of missing and damaged files."""
        return [*self.missing, *self.damaged]

    @property
    def open(self) -> list[str]:
        """Return the keys of all problems that are not fixed."""
        mended = set(self.fixed)
        return [key for key in [*self.broken, *self.unreferenced] if key not in mended]


def audit() -> Findings:
    """Compare every row with its file, and every file with the rows, without changing anything.

    Reads every stored byte. Raises `StorageUnavailable`.
    """
    findings = Findings()
    suspects = set()
    for key, digest in _expected():
        findings.checked += 1
        if _stored_digest(key) != digest:
            suspects.add(key)
    _look_again(suspects, findings)
    findings.lost = _lost(findings.broken)
    findings.unreferenced = _unreferenced()
    return findings


def fix(findings: Findings) -> None:
    """Fix what can be fixed: render renditions again, and remove orphaned files.

    A lost original cannot be fixed: its owner must send it again.
    """
    for key in findings.unreferenced:
        orphans.remove(key)
        findings.fixed.append(key)
    mendable = sorted(set(findings.broken) - set(findings.lost))
    for start in range(0, len(mendable), _BATCH):
        findings.fixed += _render_again(mendable[start : start + _BATCH])


def _look_again(suspects: set[str], findings: Findings) -> None:
    """Check suspect files again and sort them, leaving out those that were replaced or deleted."""
    if not suspects:
        return
    for key, digest in _expected():
        stored = _stored_digest(key) if key in suspects else digest
        if stored is None:
            findings.missing.append(key)
        elif stored != digest:
            findings.damaged.append(key)


def _lost(broken: list[str]) -> list[str]:
    content_hashes = {key.rpartition("/")[2] for key in broken if key.startswith("originals/")}
    public_keys = {
        public_key
        for content_hash, public_key in Original.objects.values_list("content_hash", "public_key").iterator()
        if content_hash in content_hashes
    }
    return [key for key in broken if key.startswith("originals/") or key.split("/")[2] in public_keys]


def _render_again(keys: list[str]) -> list[str]:
    """Queue the renditions with these keys again; return the keys that still have a row."""
    rows = list(Rendition.objects.filter(key__in=keys))
    Rendition.objects.filter(pk__in=[row.pk for row in rows]).update(redo=True)
    uploads = Upload.objects.filter(original__in=[row.original_id for row in rows], deleted_at=None)
    services.reprocess(uploads=list(uploads), bulk=True)
    return [row.key for row in rows]


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
        with call_storage(lambda: media.open(key)) as file:
            while chunk := call_storage(lambda: file.read(1 << 20)):
                digest.update(chunk)
    except FileMissing:
        return None
    return digest.hexdigest()


def _unreferenced() -> list[str]:
    """Return the keys of files that no row names now or in the next seconds."""
    suspects = set(orphans.find())
    if not suspects:
        return []
    # A file is stored before its row is created, so check again.
    time.sleep(_SETTLE)
    return sorted(suspects.intersection(orphans.find(age=_SETTLE)))
