"""Memory as storage, for the tests of a project: its files end with the process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import BytesIO
from typing import Any, NamedTuple

from django.core.files.base import File
from django.core.files.storage import Storage
from django.utils.deconstruct import deconstructible


class _Stored(NamedTuple):
    data: bytes
    modified_at: float


@deconstructible(path="processing.storages.memory.MemoryStorage")
class MemoryStorage(Storage):
    """The files of one process, in its memory. Other processes, such as workers, do not see them."""

    errors: tuple[type[Exception], ...] = (OSError,)

    def __init__(self) -> None:
        self._files: dict[str, _Stored] = {}

    @property
    def folder(self) -> str:
        """Return "": the files are not on a disk."""
        return ""

    def is_missing(self, error: Exception) -> bool:
        """Return whether an error means that the file does not exist."""
        return isinstance(error, FileNotFoundError)

    def misconfigured(self) -> list[str]:
        """Return no sentence: there are no settings."""
        return []

    def explain(self, error: Exception) -> str:
        """Return why a call failed."""
        return f"The storage failed: {error}"

    def proxied_path(self, name: str) -> str:
        """Return "": a proxy cannot read the memory of this process."""
        return ""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return `name`: keys are derived from content, so the same key means the same bytes."""
        return name

    def check(self) -> None:
        """Do nothing: memory can be reached."""

    def is_there(self) -> bool:
        """Return that the storage still holds its data."""
        return True

    def walk(self, folder: str) -> Iterator[tuple[str, float]]:
        """Yield the key of each file below a folder, with its modification time in seconds."""
        for name, stored in sorted(self._files.items()):
            if name.startswith(f"{folder}/"):
                yield name, stored.modified_at

    def remove_incomplete(self, *, seconds: float) -> None:
        """Do nothing: only complete files appear."""

    def exists(self, name: str) -> bool:
        """Return whether a file exists."""
        return name in self._files

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        return len(self._stored(name).data)

    def delete(self, name: str) -> None:
        """Delete a file, which may be gone already."""
        self._files.pop(name, None)

    def _open(self, name: str, mode: str = "rb") -> File[Any]:
        return File(BytesIO(self._stored(name).data), name)

    def _save(self, name: str, content: File[Any]) -> str:
        # The file appears after its last chunk, so that no reader sees a part of it.
        self._files[name] = _Stored(b"".join(content.chunks(1 << 20)), time.time())
        return name

    def _stored(self, name: str) -> _Stored:
        try:
            return self._files[name]
        except KeyError:
            raise FileNotFoundError(f"File does not exist: {name}") from None
