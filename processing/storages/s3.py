"""A bucket as storage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.exceptions import RetriesExceededError
from storages.backends.s3 import S3Storage as BaseS3Storage

CLIENT = Config(
    signature_version="s3v4",
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 3},
    # Some compatible servers reject the checksums that newer clients send by default.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class S3Storage(BaseS3Storage):  # type: ignore[misc]  # django-storages is untyped
    """A bucket of S3 or of a compatible server; every object is private."""

    errors: tuple[type[Exception], ...] = (
        OSError, ClientError, BotoCoreError, Boto3Error, RetriesExceededError,
    )  # fmt: skip

    @property
    def folder(self) -> str:
        """Return "": the files are not on this machine."""
        return ""

    def get_default_settings(self) -> dict[str, Any]:
        """Return the default options, with timeouts for each call."""
        return {**super().get_default_settings(), "client_config": CLIENT}

    def is_missing(self, error: Exception) -> bool:
        """Return whether an error means that the object does not exist."""
        if isinstance(error, ClientError):
            return error.response.get("Error", {}).get("Code") in {"404", "NoSuchKey", "NotFound"}
        return isinstance(error, FileNotFoundError)

    def check(self) -> None:
        """Raise the error that prevents reaching the bucket."""
        self.connection.meta.client.head_bucket(Bucket=self.bucket_name)

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
        for item in self.bucket.objects.filter(Prefix=f"{folder}/"):
            yield item.key, item.last_modified.timestamp()

    def remove_incomplete(self, *, seconds: float) -> None:
        """Do nothing: only complete objects appear, and a lifecycle rule aborts incomplete uploads."""

    def get_object_parameters(self, name: str) -> dict[str, Any]:
        """Return the headers of an object; none comes from what a browser sent."""
        parameters = {**super().get_object_parameters(name), "ContentType": "application/octet-stream"}
        if name.startswith("renditions/"):
            parameters["CacheControl"] = "public, max-age=31536000, immutable"
        return parameters
