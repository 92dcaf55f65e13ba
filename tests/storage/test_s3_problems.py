"""Problems with S3 are said in words."""

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from django.core.checks import run_checks
from pytest_django import Settings

from processing.storages import s3_problems

WELL = {
    "bucket": "media",
    "prefix": "",
    "endpoint": "",
    "region": "",
    "access_key": "",
    "secret_key": "",
}


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"bucket": "photos.example", "prefix": "photos/2026", "region": "eu-central-1"},
        {"bucket": "arn:aws:s3:eu-central-1:123456789012:accesspoint/photos"},
        {"endpoint": "http://127.0.0.1:9000", "access_key": "a", "secret_key": "b"},
        {"endpoint": "https://project.example/storage/v1/s3", "region": "auto"},
    ],
)
def test_working_settings_are_accepted(setting: dict[str, str]) -> None:
    assert s3_problems.misconfigured(**{**WELL, **setting}) == []


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"bucket": "s3://media"}, "S3_BUCKET is 's3://media'"),
        ({"bucket": "media/photos"}, "S3_PREFIX can name a folder"),
        ({"prefix": "../photos"}, "S3_PREFIX is"),
        ({"endpoint": "minio:9000"}, "AWS_S3_ENDPOINT_URL is 'minio:9000'; it must begin with https://"),
        ({"endpoint": "minio"}, "AWS_S3_ENDPOINT_URL is 'minio'"),
        ({"endpoint": "http://:9000"}, "AWS_S3_ENDPOINT_URL"),
        ({"endpoint": "http://minio:port"}, "AWS_S3_ENDPOINT_URL"),
        ({"region": "eu central"}, "AWS_DEFAULT_REGION"),
        ({"access_key": "a"}, "AWS_SECRET_ACCESS_KEY"),
        ({"secret_key": "a"}, "AWS_ACCESS_KEY_ID"),
    ],
)
def test_setting_that_cannot_work_is_named(setting: dict[str, str], words: str) -> None:
    (sentence,) = s3_problems.misconfigured(**{**WELL, **setting})
    assert words in sentence


def test_wrong_endpoint_stops_the_start(settings: Settings) -> None:
    assert "darkroom.E020" not in {message.id for message in run_checks()}
    options = {"bucket_name": "media", "endpoint_url": "minio:9000"}
    backend = {"BACKEND": "processing.storages.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    (error,) = [message for message in run_checks() if message.id == "darkroom.E020"]
    assert "AWS_S3_ENDPOINT_URL is 'minio:9000'" in error.msg


def refusal(code: str, operation: str) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}}
    return ClientError(answer, operation)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refusal("NoSuchBucket", "PutObject"), "has no bucket 'media'"),
        (refusal("404", "HeadBucket"), "has no bucket 'media'"),
        (refusal("AccessDenied", "PutObject"), "may not write in the bucket 'media'. Allow s3:PutObject"),
        (refusal("403", "HeadBucket"), "Allow s3:ListBucket"),
        (refusal("InvalidAccessKeyId", "ListObjectsV2"), "AWS_ACCESS_KEY_ID"),
        (refusal("SignatureDoesNotMatch", "ListObjectsV2"), "AWS_SECRET_ACCESS_KEY"),
        (refusal("ExpiredToken", "PutObject"), "have expired"),
        (refusal("400", "HeadObject"), "have expired"),
        (refusal("RequestTimeTooSkewed", "PutObject"), "clock of this machine"),
        (refusal("SlowDown", "PutObject"), "fewer requests (SlowDown)"),
        (refusal("PermanentRedirect", "PutObject"), "AWS_DEFAULT_REGION"),
        (refusal("AccessControlListNotSupported", "PutObject"), "accepts no ACL"),
        (refusal("QuotaExceeded", "PutObject"), "The storage failed: "),
        (EndpointConnectionError(endpoint_url="http://minio:9000"), "http://minio:9000 does not answer"),
        (SSLError(endpoint_url="http://minio:9000", error=OSError("self-signed")), "AWS_CA_BUNDLE"),
        (NoCredentialsError(), "AWS_ACCESS_KEY_ID"),
        (ResponseParserError("<html>"), "does not speak S3"),
        (OSError("broken"), "The storage failed: broken"),
    ],
)
def test_error_is_explained(error: Exception, words: str) -> None:
    assert words in s3_problems.explain(error, bucket="media", endpoint="http://minio:9000")
