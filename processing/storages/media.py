"""What Darkroom asks of a storage, and the two errors in which a call to it ends.

`S3_BUCKET` chooses between the two storages, `local` and `s3`; `tests/storage` holds their common contract.
Only a site with a bucket imports boto.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar, cast

from django.core.files.base import File
from django.core.files.storage import default_storage

from processing.errors import TransientError

Result = TypeVar("Result")


class StorageUnavailable(TransientError):
    """The storage did not answer, was full, or refused."""


class FileMissing(Exception):
    """The storage answered that there is no such file."""


class Storage(Protocol):
    """A Django storage with what Darkroom needs beyond Django."""

    # What its calls raise where it cannot be reached, is full or refuses: all may pass.
    errors: tuple[type[Exception], ...]

    def save(self, name: str, content: File[Any]) -> str:
        """Write a file whole or not at all, in place of one of that name."""

    def open(self, name: str) -> File[Any]:
        """Return a file, open for reading."""

    def delete(self, name: str) -> None:
        """Remove a file, which may be gone already."""

    def walk(self, folder: str) -> Iterator[tuple[str, float]]:
        """Yield the key of every file below a folder, with when it was last written, in seconds."""

    def check(self) -> None:
        """Raise what stands in the way of reaching it."""

    def is_there(self) -> bool:
        """Tell whether it is the storage that it was: one that is gone seems to have no files."""

    def is_missing(self, error: Exception) -> bool:
        """Tell whether one of its errors means that there is no such file."""


media = cast("Storage", default_storage)


def call_storage(call: Callable[[], Result], storage: Storage = media) -> Result:
    """Return what `call` returns; raise `FileMissing` or `StorageUnavailable` in place of its errors."""
    try:
        return call()
    except storage.errors as error:
        if storage.is_missing(error):
            raise FileMissing(str(error)) from error
        raise StorageUnavailable(f"The storage failed: {error}") from error
