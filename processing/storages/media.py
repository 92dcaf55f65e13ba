"""The interface that Darkroom needs from a storage, the project's storage, and the two errors of its calls.

`STORAGES` names one of the two storages, `local` and `s3`, as `darkroom` or as `default`. `tests/storage`
holds their common contract. Only a project with a bucket imports boto. Without either name, files are in a
folder: `MEDIA_ROOT`, or else `media` beside the project's code.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import storages
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.functional import LazyObject, empty

from processing.errors import TransientError
from processing.storages.local import LocalStorage

Result = TypeVar("Result")


class StorageUnavailable(TransientError):
    """The storage did not answer, was full, or refused."""


class FileMissing(Exception):
    """The storage answered that the file does not exist."""


class Storage(Protocol):
    """A Django storage with what Darkroom needs beyond Django."""

    # The errors of its calls, including that of a missing file (`is_missing`).
    errors: tuple[type[Exception], ...]

    @property
    def folder(self) -> str:
        """Return the local folder of the files, or "" if they are elsewhere."""

    def save(self, name: str, content: File[Any]) -> str:
        """Write a file completely or not at all, in place of one of that name."""

    def open(self, name: str) -> File[Any]:
        """Return a file, open for reading."""

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""

    def proxied_path(self, name: str) -> str:
        """Return the path below which the shipped nginx reads a file, or "" if it cannot."""

    def delete(self, name: str) -> None:
        """Delete a file, which may be gone already."""

    def walk(self, folder: str) -> Iterator[tuple[str, float]]:
        """Yield the key of each complete file below a folder, with its modification time in seconds."""

    def remove_incomplete(self, *, seconds: float) -> None:
        """Remove the files of interrupted writes that were last written to at least that long ago."""

    def check(self) -> None:
        """Raise one of `errors` if the storage cannot be reached."""

    def is_there(self) -> bool:
        """Return whether the storage still holds its data; a lost one would look empty."""

    def is_missing(self, error: Exception) -> bool:
        """Return whether one of its errors means that the file does not exist."""

    def misconfigured(self) -> list[str]:
        """Return a sentence for each setting that cannot work, without using the storage."""

    def explain(self, error: Exception) -> str:
        """Return a sentence for one of its errors: why a call failed, and what an operator can do."""


# The name in `STORAGES` for a project whose default storage is for other files.
ALIAS = "darkroom"


class _Media(LazyObject):  # type: ignore[type-arg]  # only its stub has a parameter
    """The storage of the project, which is made when it is first used."""

    def _setup(self) -> None:
        self._wrapped = _configured()


media = cast("Storage", _Media())


def folder() -> Path | None:
    """Return the folder for a project that names no storage, or None if its settings name no folder."""
    if root := os.fspath(settings.MEDIA_ROOT):
        return Path(root)
    base: Path | str | None = getattr(settings, "BASE_DIR", None)
    return None if base is None else Path(base) / "media"


def _configured() -> Any:
    if ALIAS in storages.backends:
        return storages[ALIAS]
    default = storages["default"]
    # Django's own storages lack what Darkroom needs.
    return default if hasattr(default, "is_missing") else LocalStorage(location=folder() or "media")


@receiver(setting_changed)
def forget(*, setting: str, **_options: Any) -> None:
    """Make the storage again after a test has overridden a setting.

    Django makes all its storages again for each of the first three.
    """
    if setting in {"STORAGES", "STATIC_ROOT", "STATIC_URL", "MEDIA_ROOT", "BASE_DIR"}:
        cast("_Media", media)._wrapped = empty  # noqa: SLF001  # as Django's own tests do


def require_storage() -> None:
    """Raise `StorageUnavailable` if the storage itself is missing: all its files would look missing."""
    if not call_storage(media.is_there):
        raise StorageUnavailable(
            "The storage is missing. Check that its disk is mounted or that its bucket exists."
        )


def call_storage(call: Callable[[], Result], storage: Storage = media) -> Result:
    """Return the result of `call`; raise `FileMissing` or `StorageUnavailable` in place of its errors."""
    try:
        return call()
    except storage.errors as error:
        if storage.is_missing(error):
            raise FileMissing(storage.explain(error)) from error
        raise StorageUnavailable(storage.explain(error)) from error
