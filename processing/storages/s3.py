"""A bucket as storage."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from s3transfer.exceptions import RetriesExceededError
from storages.backends.s3 import S3Storage as BaseS3Storage

from processing.storages import proxied, s3_problems

CLIENT = Config(
    signature_version="s3v4",
    connect_timeout=5,
    read_timeout=20,
    # Each attempt after SlowDown or a lost connection waits for a second or two.
    retries={"mode": "standard", "total_max_attempts": 3},
    # Some compatible servers reject the checksums that newer clients send by default.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


# Bytes of an open object that are kept in memory; the rest is in a temporary file.
_IN_MEMORY = 4 * 1024**2
# A key that no file begins with, so that listing it is cheap.
_NO_KEY = "permission-to-list"


class S3Storage(BaseS3Storage):  # type: ignore[misc]  # django-storages is untyped
    """A bucket of S3 or of a compatible server, or a folder in it (`location`).

    Objects are private by the bucket's own rules. No request has an ACL, which many buckets refuse.
    """

    errors: tuple[type[Exception], ...] = (
        OSError, ClientError, BotoCoreError, Boto3Error, RetriesExceededError, ResponseParserError,
    )  # fmt: skip

    @property
    def folder(self) -> str:
        """Return "": the files are not on this machine."""
        return ""

    def get_default_settings(self) -> dict[str, Any]:
        """Return the default options, with timeouts for each call, and large objects on the disk."""
        defaults = super().get_default_settings()
        return {**defaults, "client_config": CLIENT, "max_memory_size": _IN_MEMORY}

    @property
    def connection(self) -> Any:
        """Return this thread's connection, which reads the credentials when it is made."""
        if getattr(self._connections, "connection", None) is None:
            made = super().connection
            made.meta.client.meta.events.register("after-call.s3", self._notice_expiry)
            return made
        return super().connection

    def misconfigured(self) -> list[str]:
        """Return a sentence for each setting that cannot work, without asking the server."""
        return s3_problems.misconfigured(
            bucket=self.bucket_name,
            prefix=self.location,
            endpoint=self.endpoint_url or "",
            region=self.region_name or "",
            access_key=self.access_key or "",
            secret_key=self.secret_key or "",
        )

    def explain(self, error: Exception) -> str:
        """Return why a call failed, and what an operator can do."""
        return s3_problems.explain(error, bucket=self.bucket_name, endpoint=self.endpoint_url or "")

    def is_missing(self, error: Exception) -> bool:
        """Return whether an error means that the object does not exist."""
        return isinstance(error, FileNotFoundError) or s3_problems.code_of(error) in {
            "404", "NoSuchKey", "NotFound",
        }  # fmt: skip

    def size(self, name: str) -> int:
        """Return the size of an object in bytes."""
        with self._missing_or_denied(name):
            return int(super().size(name))

    def proxied_path(self, name: str) -> str:
        """Return the path below which the shipped nginx reads an object by a signed URL."""
        signed = urlsplit(
            self.connection.meta.client.generate_presigned_url(
                "get_object",
                Params={"Bucket": self.bucket_name, "Key": self._root + name},
                ExpiresIn=proxied.SECONDS,
            )
        )
        return f"{proxied.PROXIED}/bucket/{signed.scheme}/{signed.netloc}{signed.path}?{signed.query}"

    def exists(self, name: str) -> bool:
        """Return whether an object exists."""
        try:
            with self._missing_or_denied(name):
                return bool(super().exists(name))
        except FileNotFoundError:
            return False

    def check(self) -> None:
        """Raise the error that prevents reaching the bucket or listing its objects."""
        try:
            self.connection.meta.client.head_bucket(Bucket=self.bucket_name)
        except ClientError as error:
            if self.is_missing(error):
                raise
            # S3 does not say why it refuses a HEAD request. It also refuses it if the credentials may list
            # only the objects of the prefix, which is enough.
            self._is_listed(_NO_KEY)

    def is_there(self) -> bool:
        """Return whether the bucket exists: S3 answers 404 for a missing bucket as for a missing object."""
        try:
            self.check()
        except ClientError as error:
            if self.is_missing(error):
                return False
            raise
        return True

    def walk(self, folder: str) -> Iterator[tuple[str, float]]:
        """Yield the key of each object below a folder, with its modification time in seconds."""
        root = self._root
        for item in self.bucket.objects.filter(Prefix=f"{root}{folder}/"):
            yield item.key.removeprefix(root), item.last_modified.timestamp()

    def remove_incomplete(self, *, seconds: float) -> None:
        """Do nothing: only complete objects appear, and a lifecycle rule aborts incomplete uploads."""

    def get_object_parameters(self, name: str) -> dict[str, Any]:
        """Return the headers of an object; none comes from what a browser sent."""
        parameters = {**super().get_object_parameters(name), "ContentType": "application/octet-stream"}
        if name.removeprefix(self._root).startswith("renditions/"):
            parameters["CacheControl"] = "public, max-age=31536000, immutable"
        return parameters

    @property
    def _root(self) -> str:
        return f"{self.location}/" if self.location else ""

    def _open(self, name: str, mode: str = "rb") -> Any:
        with self._missing_or_denied(name):
            return super()._open(name, mode)

    @contextmanager
    def _missing_or_denied(self, name: str) -> Iterator[None]:
        """Raise `FileNotFoundError` in place of a denial if the object does not exist.

        Without permission to list the whole bucket, S3 answers 403 for a missing object, as for a forbidden
        one. Only the list tells them apart. If that is denied too, the file does not count as missing.
        """
        try:
            yield
        except ClientError as error:
            if s3_problems.is_denied(error) and not self._is_listed(name):
                raise FileNotFoundError(f"File does not exist: {name}") from error
            raise

    def _is_listed(self, name: str) -> bool:
        key = self._root + name
        # A key is the first of those that begin with it.
        answer = self.connection.meta.client.list_objects_v2(Bucket=self.bucket_name, Prefix=key, MaxKeys=1)
        return any(item["Key"] == key for item in answer.get("Contents", []))

    def _notice_expiry(self, parsed: dict[str, Any], **_: Any) -> None:
        """Let the next call read the credentials again, if this answer says that they have expired.

        boto3 renews those of a role in time, but reads a file once.
        """
        if parsed.get("Error", {}).get("Code") in s3_problems.OUTDATED:
            self._connections, self._bucket = threading.local(), None
