"""A folder as storage."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

from processing.storages import access, proxied

# The end of the name that a file has until it is complete.
_PART = ".part"
# The folder whose files a proxy may serve.
_SHARED = "renditions"


class LocalStorage(FileSystemStorage):
    """A folder whose files appear complete under their final name, and survive a power cut.

    It needs no hard links and no locks, which a network file system may lack. The group `readers` may read
    the renditions.
    """

    errors: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, *arguments: Any, readers: str = "", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._group = access.find_group(readers)

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

    def proxied_path(self, name: str) -> str:
        """Return the path below which the shipped nginx reads a rendition."""
        return f"{proxied.PROXIED}/{name}"

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
            # No key has a name that begins with a dot: that is a part, the marker of an empty folder in the
            # repository, or a file that NFS keeps because it was open when it was removed (`.nfs…`).
            if not path.name.startswith("."):
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
        for parent, folders, names in os.walk(Path(self.location) / folder, onerror=_raise_unless_gone):
            # A file server may show its snapshots (`.snapshot`, `.zfs`) in every folder.
            folders[:] = [name for name in folders if not name.startswith(".")]
            yield from (Path(parent, name) for name in names)

    def _save(self, name: str, content: File[Any]) -> str:
        target = Path(self.path(name))
        group = self._group if name.startswith(f"{_SHARED}/") else None
        self._make_folder(target.parent, group)
        if not self._adopt(content, target, group):
            self._write(content, target, group)
        _sync_folder(target.parent)
        return name

    def _make_folder(self, folder: Path, group: int | None) -> None:
        """Create a folder and its parents, and let the group list each that is new."""
        if folder.is_dir():
            return
        if group is None:
            folder.mkdir(parents=True, exist_ok=True)
            return
        self._make_folder(folder.parent, group)
        folder.mkdir(exist_ok=True)
        access.share(folder, group=group)

    def _adopt(self, content: File[Any], target: Path, group: int | None) -> bool:
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
        self._publish(part, target, group)
        return True

    def _write(self, content: File[Any], target: Path, group: int | None) -> None:
        part = target.parent / f".{secrets.token_hex(8)}{_PART}"
        try:
            with open(part, "xb", opener=_open_private) as file:
                file.writelines(content.chunks(1 << 20))
                file.flush()
                os.fsync(file.fileno())
            self._publish(part, target, group)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def _publish(self, part: Path, target: Path, group: int | None) -> None:
        try:
            part.chmod(self.file_permissions_mode or 0o644)
            if group is not None:
                access.share(part, group=group)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _raise_unless_gone(error: OSError) -> None:
    """Raise the reason that a folder cannot be listed, unless it does not exist."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _open_private(path: str, flags: int) -> int:
    """Open a new file that only its owner may read, whatever the umask is."""
    return os.open(path, flags, 0o600)


def _sync_folder(folder: Path) -> None:
    """Flush the folder's entries to the disk; otherwise a rename may not survive a power cut.

    Some network file systems sync files alone (EINVAL, fsync(2)).
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)
