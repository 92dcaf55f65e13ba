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
    # Some compatible servers refuse the checksums newer clients send unasked.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class S3Storage(BaseS3Storage):  # type: ignore[misc]  # django-storages is untyped
    """A bucket of S3 or of a server that speaks it; every object is private."""

    errors: tuple[type[Exception], ...] = (
        OSError, ClientError, BotoCoreError, Boto3Error, RetriesExceededError,
    )  # fmt: skip

    def get_default_settings(self) -> dict[str, Any]:
        """Return the options that hold unless others are given, with a bound on each wait."""
        return {**super().get_default_settings(), "client_config": CLIENT}

    def is_missing(self, error: Exception) -> bool:
        """Tell whether an error means that there is no such object."""
        if isinstance(error, ClientError):
            return error.response.get("Error", {}).get("Code") in {"404", "NoSuchKey", "NotFound"}
        return isinstance(error, FileNotFoundError)

    def check(self) -> None:
        """Raise what stands in the way of reaching the bucket."""
        self.connection.meta.client.head_bucket(Bucket=self.bucket_name)

    def is_there(self) -> bool:
        """Tell whether the bucket exists: S3 answers for a file in none as for a file that is missing."""
        try:
            self.check()
        except ClientError as error:
            if self.is_missing(error):
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
