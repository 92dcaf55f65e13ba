"""Where media lies: a local folder or S3, both written whole or not at all.

Both are Django storages, chosen by `S3_BUCKET`; `tests/storage` holds their common contract.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from s3transfer.exceptions import RetriesExceededError
from storages.backends.s3 import S3Storage as BaseS3Storage

from processing.errors import TransientError

Result = TypeVar("Result")
# What a storage raises when it cannot be reached, is full or refuses: all may pass.
STORAGE_ERRORS = (OSError, ClientError, BotoCoreError, Boto3Error, RetriesExceededError)


class StorageUnavailable(TransientError):
    """The storage did not answer, was full, or refused."""


class FileMissing(Exception):
    """The storage answered that there is no such file."""


class LocalStorage(FileSystemStorage):
    """A folder whose files appear whole under their final name, and survive a power cut."""

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


class S3Storage(BaseS3Storage):  # type: ignore[misc]  # django-storages is untyped
    """A bucket of S3 or of a server that speaks it; every object is private."""

    def check(self) -> None:
        """Raise what stands in the way of reaching the bucket."""
        self.connection.meta.client.head_bucket(Bucket=self.bucket_name)

    def is_there(self) -> bool:
        """Tell whether the bucket exists: S3 answers for a file in none as for a file that is missing."""
        try:
            self.check()
        except ClientError as error:
            if is_missing(error):
                return False
            raise
        return True

    def walk(self, folder: str) -> Iterator[tuple[str, float]]:
        """Yield the key of every object below a folder, with when it was written, in seconds."""
        for item in self.bucket.objects.filter(Prefix=f"{folder}/"):
            yield item.key, item.last_modified.timestamp()

    def get_object_parameters(self, name: str) -> dict[str, Any]:
        """Return the headers of an object: nothing that a browser sent gets among them."""
        parameters = {**super().get_object_parameters(name), "ContentType": "application/octet-stream"}
        if name.startswith("renditions/"):
            parameters["CacheControl"] = "public, max-age=31536000, immutable"
        return parameters


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


def is_missing(error: Exception) -> bool:
    """Tell whether a storage error means that there is no such file."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code") in {"404", "NoSuchKey", "NotFound"}
    return isinstance(error, FileNotFoundError)


def call_storage(call: Callable[[], Result]) -> Result:
    """Return what `call` returns; raise `FileMissing` or `StorageUnavailable` in place of its errors."""
    try:
        return call()
    except STORAGE_ERRORS as error:
        if is_missing(error):
            raise FileMissing(str(error)) from error
        raise StorageUnavailable(f"The storage failed: {error}") from error
