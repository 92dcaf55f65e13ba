"""The audit compares storage and database: it finds missing, damaged, orphaned and unknown files."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from processing.database.batches import all_rows
from processing.fingerprint import original_key
from processing.garbage import generations, pending_files
from processing.models import Original, Rendition
from processing.storages.media import FileMissing, call_storage, media, require_storage
from uploads import services
from uploads.models import Upload
from uploads.upkeep import unknown_files
from uploads.upkeep.unknown_files import Found

_BATCH = 200


@dataclass(slots=True)
class Findings:
    """Keys of files that are missing, damaged, orphaned (the database knows them as garbage) or unknown.

    `lost` holds the missing and damaged originals and their broken renditions, which cannot be restored.
    `agrees` is false if database and storage do not belong together.
    """

    checked: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    fixed: list[str] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    agrees: bool = True

    @property
    def broken(self) -> list[str]:
        """Return the keys of missing and damaged files."""
        return [*self.missing, *self.damaged]

    @property
    def open(self) -> list[str]:
        """Return the keys of all problems that are not fixed."""
        mended = {*self.fixed, *self.adopted}
        return [key for key in [*self.broken, *self.orphaned, *self.unknown] if key not in mended]

    @property
    def problems(self) -> int:
        """Return the number of problems that are not fixed."""
        return len(self.open) + (not self.agrees)


def audit() -> tuple[Findings, Found]:
    """Compare every row with its file, and every file with the rows, without changing anything.

    Reads every stored byte. Raises `StorageUnavailable`.
    """
    if Original.objects.exists():
        require_storage()
    findings = Findings(agrees=generations.agrees())
    suspects = set()
    for key, digest in _expected():
        findings.checked += 1
        if stored_digest(key) != digest:
            suspects.add(key)
    _look_again(suspects, findings)
    findings.lost = _lost(findings.broken)
    found = unknown_files.find()
    findings.orphaned, findings.unknown = sorted(found.orphaned), sorted(found.unknown)
    return findings, found


def record(findings: Findings) -> None:
    """Record lost originals: their uploads fail. Restart those whose original is whole again.

    Does nothing if database and storage do not belong together.
    """
    if not findings.agrees:
        return
    lost = {key.rpartition("/")[2] for key in findings.broken if key.startswith("originals/")}
    for content_hash in sorted(lost):
        original = Original.objects.filter(content_hash=content_hash, suspect=False).first()
        # Reading everything took long, so the file may be whole again.
        if original is not None and not _is_whole(original):
            services.lose(original)
    for original in Original.objects.filter(suspect=True):
        if _is_whole(original):
            services.heal(original)


def fix(findings: Findings) -> None:
    """Fix what can be fixed: render renditions again, and remove orphaned files.

    A lost original cannot be fixed: its owner must send it again. Raises `GenerationDiffers` or
    `StorageUnavailable`.
    """
    mendable = sorted(set(findings.broken) - set(findings.lost))
    for start in range(0, len(mendable), _BATCH):
        findings.fixed += _render_again(mendable[start : start + _BATCH])
    if findings.orphaned:
        while pending_files.remove_due():
            pass
        found = unknown_files.find()
        left = found.unknown | found.orphaned | found.unfinished
        findings.fixed += [key for key in findings.orphaned if key not in left]


def _look_again(suspects: set[str], findings: Findings) -> None:
    """Check suspect files again and sort them, leaving out those that were replaced or deleted."""
    if not suspects:
        return
    for key, digest in _expected():
        stored = stored_digest(key) if key in suspects else digest
        if stored is None:
            findings.missing.append(key)
        elif stored != digest:
            findings.damaged.append(key)


def _lost(broken: list[str]) -> list[str]:
    content_hashes = {key.rpartition("/")[2] for key in broken if key.startswith("originals/")}
    public_keys = {
        public_key
        for content_hash, public_key in all_rows(Original.objects.all(), "content_hash", "public_key")
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
    for (content_hash,) in all_rows(Original.objects.all(), "content_hash"):
        yield original_key(content_hash), content_hash
    yield from all_rows(Rendition.objects.all(), "key", "digest")


def _is_whole(original: Original) -> bool:
    return stored_digest(original_key(original.content_hash)) == original.content_hash


def stored_digest(key: str) -> str | None:
    """Return the SHA-256 of a stored file, or None if it is missing. Raises `StorageUnavailable`."""
    digest = hashlib.sha256()
    try:
        with call_storage(lambda: media.open(key)) as file:
            while chunk := call_storage(lambda: file.read(1 << 20)):
                digest.update(chunk)
    except FileMissing:
        return None
    return digest.hexdigest()
