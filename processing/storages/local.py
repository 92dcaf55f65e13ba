"""A folder as storage."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

# The end of the name that a file has until it is complete.
_PART = ".part"


class LocalStorage(FileSystemStorage):
    """A folder whose files appear complete under their final name, and survive a power cut."""

    errors: tuple[type[Exception], ...] = (OSError,)

    @property
    def folder(self) -> str:
        """Return the folder."""
        return str(self.location)

    def is_missing(self, error: Exception) -> bool:
        """Return whether an error means that the file does not exist."""
        return isinstance(error, FileNotFoundError)

    def misconfigured(self) -> list[str]:
        """Return a sentence if the path is that of a file."""
        if Path(self.location).is_file():
            return [f"MEDIA_ROOT is {self.folder!r}, which is a file; it must be a folder."]
        return []

    def explain(self, error: Exception) -> str:
        """Return why a call failed."""
        return f"The storage failed: {error}"

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return `name`: keys are derived from content, so the same key means the same bytes."""
        return name

    def check(self) -> None:
        """Raise the error that prevents writing, if the folder cannot be created or written to."""
        root = Path(self.location)
        root.mkdir(parents=True, exist_ok=True)
        if not os.access(root, os.W_OK):
            raise PermissionError(f"{root} is not writable")

    def is_there(self) -> bool:
        """Return whether the storage still holds its data: an unmounted disk leaves an empty folder."""
        return (Path(self.location) / "originals").is_dir()

    def walk(self, folder: str) -> Iterator[tuple[str, float]]:
        """Yield the key of each complete file below a folder, with its modification time in seconds."""
        for path in self._files(folder):
            # The marker of an empty folder in the repository is not media.
            if not (path.name.endswith(_PART) or path.name == ".gitkeep"):
                with suppress(FileNotFoundError):
                    yield path.relative_to(self.location).as_posix(), path.stat().st_mtime

    def remove_incomplete(self, *, seconds: float) -> None:
        """Remove the files of interrupted writes that were last written to at least that long ago."""
        oldest = time.time() - seconds
        for path in self._files("."):
            with suppress(FileNotFoundError):
                if path.name.endswith(_PART) and path.stat().st_mtime <= oldest:
                    path.unlink()

    def _files(self, folder: str) -> Iterator[Path]:
        for parent, _, names in os.walk(Path(self.location) / folder, onerror=_raise_unless_gone):
            yield from (Path(parent, name) for name in names)

    def _save(self, name: str, content: File[Any]) -> str:
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        if not self._adopt(content, target):
            self._write(content, target)
        _sync_folder(target.parent)
        return name

    def _adopt(self, content: File[Any], target: Path) -> bool:
        """Link a temporary file on the same file system to its final name, instead of copying it."""
        temporary_path = getattr(content, "temporary_file_path", None)
        if temporary_path is None:
            return False
        content.flush()
        os.fsync(content.fileno())
        part = target.parent / f".{secrets.token_hex(8)}{_PART}"
        try:
            os.link(temporary_path(), part)
        except OSError:
            # Another file system, or one without hard links.
            return False
        self._publish(part, target)
        return True

    def _write(self, content: File[Any], target: Path) -> None:
        part = target.parent / f".{secrets.token_hex(8)}{_PART}"
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
    """Raise the reason that a folder cannot be listed, unless it does not exist."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _sync_folder(folder: Path) -> None:
    """Flush the folder's entries to the disk; otherwise a rename may not survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
