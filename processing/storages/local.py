"""A folder as storage."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage


class LocalStorage(FileSystemStorage):
    """A folder whose files appear whole under their final name, and survive a power cut."""

    errors: tuple[type[Exception], ...] = (OSError,)

    def is_missing(self, error: Exception) -> bool:
        """Tell whether an error means that there is no such file."""
        return isinstance(error, FileNotFoundError)

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return `name`: keys are derived from content, so the same key means the same bytes."""
        return name

    def check(self) -> None:
        """Raise what stands in the way of writing: a folder that cannot be made or written to."""
        root = Path(self.location)
        root.mkdir(parents=True, exist_ok=True)
        if not os.access(root, os.W_OK):
            raise PermissionError(f"{root} cannot be written to")

    def is_there(self) -> bool:
        """Tell whether the storage is what it was: a disk that is not mounted leaves an empty folder."""
        return (Path(self.location) / "originals").is_dir()

    def walk(self, folder: str) -> Iterator[tuple[str, float]]:
        """Yield the key of every file below a folder, with when it was last written to, in seconds."""
        root = Path(self.location)
        for parent, _, names in os.walk(root / folder, onerror=_raise_unless_gone):
            for name in names:
                path = Path(parent, name)
                with suppress(FileNotFoundError):
                    yield path.relative_to(root).as_posix(), path.stat().st_mtime

    def _save(self, name: str, content: File[Any]) -> str:
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        if not self._adopt(content, target):
            self._write(content, target)
        _sync_folder(target.parent)
        return name

    def _adopt(self, content: File[Any], target: Path) -> bool:
        """Give a temporary file on the same file system its final name, instead of copying it."""
        temporary_path = getattr(content, "temporary_file_path", None)
        if temporary_path is None:
            return False
        content.flush()
        os.fsync(content.fileno())
        part = target.parent / f".{secrets.token_hex(8)}.part"
        try:
            os.link(temporary_path(), part)
        except OSError:
            # Another file system, or one without hard links.
            return False
        self._publish(part, target)
        return True

    def _write(self, content: File[Any], target: Path) -> None:
        part = target.parent / f".{secrets.token_hex(8)}.part"
        try:
            with part.open("xb") as file:
                for chunk in content.chunks(1 << 20):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            self._publish(part, target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def _publish(self, part: Path, target: Path) -> None:
        try:
            part.chmod(self.file_permissions_mode or 0o644)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _raise_unless_gone(error: OSError) -> None:
    """Raise why a folder cannot be listed, unless it was removed meanwhile or never made."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _sync_folder(folder: Path) -> None:
    """Put the folder's entries on the disk, without which a rename may not survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
