"""Disk space: uploads are refused before a file system is so full that the database is in danger."""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from django.conf import settings
from django.template.defaultfilters import filesizeformat

from processing.conf import darkroom
from processing.errors import Refusal
from processing.storages.media import media

# Seconds for which the free space of the disks is remembered.
_SECONDS = 1.0
# While a body arrives, the disk may hold it twice: as the web server received it, and as the form's file.
_COPIES = 2


class StorageFull(Refusal):
    """A file system is almost full."""

    code = "storage_full"
    title = "The storage is almost full"
    status = HTTPStatus.INSUFFICIENT_STORAGE
    retry_after = 60


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system of a folder, with its size and its free space in bytes."""

    folder: str
    free: int
    size: int

    @property
    def low_water_mark(self) -> int:
        """Return the free bytes below which uploads are refused; 0 refuses none."""
        return min(darkroom().disk_free_bytes, int(darkroom().disk_free_share * self.size))

    def has_room(self, byte_size: int) -> bool:
        """Return whether the disk is above its mark after this many more bytes."""
        return not self.low_water_mark or self.free - byte_size >= self.low_water_mark


class _Looking:
    """The disks as they were within the last second, and the bytes that this process is receiving."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = -_SECONDS
        self._disks: tuple[Disk, ...] = ()
        self._arriving = 0

    def disks(self) -> tuple[Disk, ...]:
        now = time.monotonic()
        if now - self._at >= _SECONDS:
            self._disks, self._at = tuple(_look()), now
        return self._disks

    def arriving(self) -> int:
        return self._arriving

    def expect(self, byte_size: int) -> None:
        with self._lock:
            self._arriving += byte_size


_looking = _Looking()


def disks() -> tuple[Disk, ...]:
    """Return each file system that uploads fill, at most a second old."""
    return _looking.disks()


def check(byte_size: int = 0) -> None:
    """Raise `StorageFull` if a file system has no room for this body or for all that are arriving."""
    needed = _COPIES * max(byte_size, _looking.arriving())
    if not all(disk.has_room(needed) for disk in disks()):
        raise StorageFull("The server has almost no disk space left. Try again later.")


@contextmanager
def expected(byte_size: int) -> Iterator[None]:
    """Count a body that is arriving, so that many at once do not fill the disk."""
    _looking.expect(byte_size)
    try:
        yield
    finally:
        _looking.expect(-byte_size)


def problem() -> str:
    """Return which disk is almost full, or "" if there is none."""
    low = [disk for disk in disks() if not disk.has_room(0)]
    return "; ".join(
        f"{filesizeformat(disk.free)} of {filesizeformat(disk.size)} are free, and uploads are refused below "
        f"{filesizeformat(disk.low_water_mark)}".replace("\xa0", " ")
        for disk in low
    )


def _look() -> Iterator[Disk]:
    """Yield each file system once. A folder that cannot be read is reported by other checks."""
    seen = set()
    for folder in _folders():
        try:
            device, state = os.stat(folder).st_dev, os.statvfs(folder)
        except OSError:
            continue
        # A file system without blocks, such as some network mounts, does not know its size.
        if device not in seen and state.f_blocks:
            seen.add(device)
            yield Disk(folder, state.f_bavail * state.f_frsize, state.f_blocks * state.f_frsize)


def _folders() -> list[str]:
    incoming: Path | None = settings.FILE_UPLOAD_TEMP_DIR
    folders = [media.folder, incoming or tempfile.gettempdir(), *darkroom().disk_folders]
    return [str(folder) for folder in folders if folder]
