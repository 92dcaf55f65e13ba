"""S3: the headers of objects, an unavailable server, and a complete upload."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from pytest_django import Settings

from processing import originals
from processing.conf import darkroom
from processing.fingerprint import original_key
from processing.garbage import generations, pending_files
from processing.models import Lease, Original, Rendition
from processing.storages.media import FileMissing, StorageUnavailable, call_storage
from processing.storages.s3 import S3Storage
from tests.conftest import MakeImage, Send, remove_garbage, stored_digest
from tests.storage.conftest import keys_in, read, with_empty_bucket
from tests.storage.servers import (
    QUICK,
    breaking_server,
    close,
    free_port,
    s3_storage,
    silent_server,
    storage_options,
)
from uploads import completion
from uploads.models import Upload
from uploads.upkeep import unknown_files

pytestmark = [pytest.mark.any_database, pytest.mark.slow]

RENDITION = "renditions/ab/abcdef/thumb-0123456789abcdef.webp"
ORIGINAL = "originals/ab/abcdef"
# Every way in which Darkroom uses a storage.
CALLS: dict[str, Callable[[S3Storage], object]] = {
    "save": lambda storage: storage.save(ORIGINAL, ContentFile(b"pixels")),
    "open": lambda storage: read(storage, ORIGINAL),
    "delete": lambda storage: storage.delete(ORIGINAL),
    "check": lambda storage: storage.check(),
}


# --- Objects ------------------------------------------------------------------------------


def head(storage: S3Storage, key: str) -> dict[str, Any]:
    answer: dict[str, Any] = storage.connection.meta.client.head_object(Bucket=storage.bucket_name, Key=key)
    return answer


@pytest.fixture
def bucket(moto: S3Storage) -> S3Storage:
    """Return a storage with an empty bucket on moto, which keeps the headers of objects as S3 does."""
    return with_empty_bucket(moto)


def test_rendition_is_cached_without_expiry(bucket: S3Storage) -> None:
    bucket.save(RENDITION, ContentFile(b"pixels"))
    answer = head(bucket, RENDITION)
    assert answer["CacheControl"] == "public, max-age=31536000, immutable"
    assert answer["ContentType"] == "application/octet-stream"


def test_original_has_no_type_that_browsers_display(bucket: S3Storage) -> None:
    file = ContentFile(b"<script>alert(1)</script>", name="evil.html")
    file.content_type = "text/html"  # type: ignore[attr-defined]
    bucket.save(ORIGINAL, file)
    answer = head(bucket, ORIGINAL)
    assert answer["ContentType"] == "application/octet-stream"
    assert "CacheControl" not in answer
    assert "ContentEncoding" not in answer
    assert answer["Metadata"] == {}


def test_no_object_is_public(bucket: S3Storage) -> None:
    bucket.save(RENDITION, ContentFile(b"pixels"))
    answer = bucket.connection.meta.client.get_object_acl(Bucket=bucket.bucket_name, Key=RENDITION)
    assert [grant["Grantee"]["Type"] for grant in answer["Grants"]] == ["CanonicalUser"]


# --- Unavailable --------------------------------------------------------------------------


def assert_unavailable(storage: S3Storage, call: str) -> None:
    with pytest.raises(StorageUnavailable):
        call_storage(lambda: CALLS[call](storage), storage)


@pytest.fixture(scope="module")
def absent() -> Iterator[S3Storage]:
    """Return a storage at a port on which no server listens."""
    with s3_storage(f"http://127.0.0.1:{free_port()}", config=QUICK) as storage:
        yield storage


@pytest.fixture(scope="module")
def silent() -> Iterator[S3Storage]:
    """Return a storage whose server accepts connections and never answers."""
    with silent_server() as endpoint, s3_storage(endpoint, config=QUICK) as storage:
        yield storage


@pytest.mark.parametrize("call", CALLS)
def test_unreachable_server_is_unavailable_immediately(call: str, absent: S3Storage) -> None:
    assert_unavailable(absent, call)


@pytest.mark.parametrize("call", CALLS)
def test_unresponsive_server_is_unavailable_in_bounded_time(call: str, silent: S3Storage) -> None:
    assert_unavailable(silent, call)


def test_connection_closed_during_a_file_means_unavailable() -> None:
    with breaking_server() as endpoint, s3_storage(endpoint, config=QUICK) as storage:
        assert_unavailable(storage, "open")


def test_time_outs_are_shorter_than_a_step() -> None:
    config: Config = S3Storage().client_config
    attempts = config.retries["total_max_attempts"]  # type: ignore[attr-defined]
    longest = attempts * (config.connect_timeout + config.read_timeout)  # type: ignore[attr-defined]
    assert longest < darkroom().step_time_limit


def test_missing_bucket_is_unavailable(s3: S3Storage) -> None:
    with s3_storage(s3.endpoint_url, bucket="nowhere") as storage, pytest.raises(StorageUnavailable):
        call_storage(lambda: storage.save(ORIGINAL, ContentFile(b"pixels")), storage)


def test_check_fails_if_the_bucket_is_missing(s3: S3Storage) -> None:
    missing = pytest.raises((StorageUnavailable, FileMissing))
    with s3_storage(s3.endpoint_url, bucket="nowhere") as storage, missing:
        call_storage(storage.check, storage)


def test_wrong_secret_key_is_unavailable_and_not_missing(rclone: S3Storage) -> None:
    options = {**storage_options(rclone.endpoint_url), "secret_key": "wrong"}
    storage = S3Storage(**options)
    with pytest.raises(StorageUnavailable):
        call_storage(lambda: storage.open(ORIGINAL), storage)
    close(storage)


# --- A complete upload --------------------------------------------------------------------


@pytest.fixture
def media(s3: S3Storage, settings: Settings) -> Iterator[S3Storage]:
    """Store the media on each server, as the settings do with `S3_BUCKET`."""
    backend = {"BACKEND": "processing.storages.s3.S3Storage", "OPTIONS": storage_options(s3.endpoint_url)}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    assert isinstance(default_storage, S3Storage)
    yield default_storage
    close(default_storage)


def assert_objects_match_rows(storage: S3Storage) -> None:
    """Assert that every row has its complete object, and that there are no other objects but garbage."""
    remove_garbage()
    expected = {
        original_key(original.content_hash): original.content_hash for original in Original.objects.all()
    }
    expected |= dict(Rendition.objects.values_list("key", "digest"))
    assert keys_in(storage) - {generations.KEY} == set(expected)
    assert {key: stored_digest(key) for key in expected} == expected


def test_upload_becomes_ready(media: S3Storage, send: Send, make_image: MakeImage) -> None:
    data = make_image()
    upload = send(data)
    completion.run_here(upload)
    upload.refresh_from_db()
    assert upload.status == Upload.Status.READY
    assert upload.original.content_hash == hashlib.sha256(data).hexdigest()
    assert Rendition.objects.count() == 10
    assert_objects_match_rows(media)


def test_second_run_writes_nothing(media: S3Storage, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = send()
    completion.run_here(upload)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("something was written")

    monkeypatch.setattr(S3Storage, "_save", fail)
    monkeypatch.setattr(S3Storage, "_open", fail)
    completion.run_here(upload)


@pytest.mark.django_db(transaction=True)
def test_changed_preset_leaves_no_old_object(media: S3Storage, send: Send, settings: Settings) -> None:
    upload = send()
    completion.run_here(upload)
    presets = {**darkroom().presets, "thumb": {"width": 100, "height": 100, "mode": "fill"}}
    settings.DARKROOM = {**settings.DARKROOM, "PRESETS": presets}
    completion.run_here(upload)
    assert set(Rendition.objects.filter(preset="thumb").values_list("width", flat=True)) == {100}
    assert_objects_match_rows(media)


def test_removed_original_leaves_no_object(media: S3Storage, send: Send) -> None:
    upload = send()
    completion.run_here(upload)
    upload.delete()
    assert originals.remove(original_id=upload.original.pk)
    remove_garbage()
    assert keys_in(media) == {generations.KEY}


def test_discarded_object_is_removed(media: S3Storage, send: Send) -> None:
    completion.run_here(send())
    media.save(RENDITION, ContentFile(b"left over"))
    assert list(unknown_files.find().unknown) == [RENDITION]
    pending_files.discard([RENDITION])
    assert pending_files.remove_due() == 1
    assert_objects_match_rows(media)


def test_storage_outage_postpones_the_step(media: S3Storage, send: Send, settings: Settings) -> None:
    upload = send()
    options = storage_options(f"http://127.0.0.1:{free_port()}", config=QUICK)
    backend = {"BACKEND": "processing.storages.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    with pytest.raises(StorageUnavailable):
        completion.run_here(upload)
    assert isinstance(default_storage, S3Storage)
    close(default_storage)
    lease = Lease.objects.get()
    assert (lease.expires_at, lease.crashes) == (None, 0)
    assert lease.next_attempt_at is not None
    upload.refresh_from_db()
    assert upload.status == Upload.Status.PROCESSING


def test_deleted_bucket_is_not_there(bucket: S3Storage) -> None:
    assert bucket.is_there()
    bucket.connection.meta.client.delete_bucket(Bucket=bucket.bucket_name)
    assert not bucket.is_there()
    with pytest.raises(FileMissing):
        call_storage(lambda: read(bucket, ORIGINAL), bucket)
