"""S3 as it is: throttling, narrow rights, a prefix, expired credentials, no ACL, and clocks that differ."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.files.base import ContentFile

from processing.storages import s3
from processing.storages.media import FileMissing, StorageUnavailable, call_storage
from processing.storages.s3 import S3Storage
from tests.faults.proxy import Proxy, proxy_to
from tests.storage import refusals
from tests.storage.conftest import keys_in, read, with_empty_bucket
from tests.storage.servers import ACCESS_KEY, PATIENT, SECRET_KEY, close, storage_options

pytestmark = [pytest.mark.any_database, pytest.mark.slow]

KEY, OTHER = "originals/ab/abcdef", "originals/ab/abcdef01"
# More than S3's parts of 8 MB, so that the upload is in several.
LARGE = 9 * 1024 * 1024


@pytest.fixture(scope="module")
def proxy(rclone: S3Storage) -> Iterator[Proxy]:
    """Return a proxy to rclone's server."""
    with proxy_to(urlsplit(rclone.endpoint_url).port or 0) as proxy:
        yield proxy


@pytest.fixture
def bucket(rclone: S3Storage, buckets: Path, proxy: Proxy) -> Iterator[Path]:
    """Return the folder of the server's bucket, which is empty."""
    with_empty_bucket(rclone)
    yield buckets / "media"
    proxy.refuse = lambda _head: b""


@pytest.fixture
def storage(bucket: Path, proxy: Proxy) -> Iterator[S3Storage]:
    """Return a storage behind the proxy, in a folder of the bucket."""
    storage = S3Storage(**storage_options(proxy.url, config=PATIENT), location="photos")
    storage.save(KEY, ContentFile(b"pixels"))
    assert (bucket / "photos" / KEY).read_bytes() == b"pixels"
    yield storage
    close(storage)


def unavailable(storage: S3Storage, words: str) -> None:
    """Assert that every call means that the storage is unavailable, and not that a file is missing."""
    for call in (
        storage.check,
        lambda: read(storage, KEY),
        lambda: storage.size(KEY),
        lambda: storage.save(OTHER, ContentFile(b"pixels")),
        lambda: storage.delete(KEY),
        lambda: list(storage.walk("originals")),
    ):
        with pytest.raises(StorageUnavailable, match=words):
            call_storage(call, storage)


class TestPrefix:
    def test_keys_are_without_the_prefix_and_caching_works(self, storage: S3Storage) -> None:
        rendition = "renditions/ab/abcdef/thumb-0123456789abcdef.webp"
        storage.save(rendition, ContentFile(b"pixels"))
        assert [key for key, _ in storage.walk("originals")] == [KEY]
        assert [key for key, _ in storage.walk("renditions")] == [rendition]
        assert "CacheControl" in storage.get_object_parameters(f"photos/{rendition}")
        assert "CacheControl" not in storage.get_object_parameters(f"photos/{KEY}")

    def test_two_prefixes_of_a_bucket_are_two_storages(self, storage: S3Storage, proxy: Proxy) -> None:
        other = S3Storage(**storage_options(proxy.url, config=PATIENT), location="photos/of-others")
        assert list(other.walk("originals")) == []
        other.save(KEY, ContentFile(b"others"))
        assert (read(storage, KEY), read(other, KEY)) == (b"pixels", b"others")
        other.delete(KEY)
        assert read(storage, KEY) == b"pixels"
        close(other)


class TestNarrowRights:
    """Without permission to list the bucket, S3 answers 403 for a missing object."""

    def test_permission_to_list_the_prefix_is_enough(
        self, storage: S3Storage, proxy: Proxy, bucket: Path
    ) -> None:
        proxy.refuse = refusals.list_only_below("photos/", bucket)
        call_storage(storage.check, storage)
        assert call_storage(storage.is_there, storage)
        for call in (lambda: storage.size(OTHER), lambda: read(storage, OTHER)):
            with pytest.raises(FileMissing):
                call_storage(call, storage)
        assert not storage.exists(OTHER)
        storage.save(OTHER, ContentFile(b"others"))
        assert read(storage, OTHER) == b"others"
        assert storage.size(OTHER) == 6
        storage.delete(OTHER)
        assert [key for key, _ in storage.walk("originals")] == [KEY]

    def test_forbidden_object_is_not_missing(self, storage: S3Storage, proxy: Proxy) -> None:
        proxy.refuse = refusals.denied("GET", "HEAD")
        for call in (lambda: storage.size(KEY), lambda: read(storage, KEY)):
            with pytest.raises(StorageUnavailable, match=r"may not read .*Allow s3:GetObject"):
                call_storage(call, storage)

    def test_without_permission_to_list_no_object_counts_as_missing(
        self, storage: S3Storage, proxy: Proxy, bucket: Path
    ) -> None:
        proxy.refuse = refusals.all_of(
            refusals.list_only_below("photos/", bucket),
            lambda head: refusals.refusal(head, 403, "AccessDenied") if b"list-type" in head else b"",
        )
        for call in (
            storage.check,
            storage.is_there,
            lambda: storage.size(OTHER),
            lambda: read(storage, OTHER),
        ):
            with pytest.raises(StorageUnavailable, match=r"may not list .*Allow s3:ListBucket"):
                call_storage(call, storage)
        assert read(storage, KEY) == b"pixels"

    @pytest.mark.parametrize(("method", "words"), [("PUT", "write"), ("DELETE", "delete")])
    def test_missing_right_is_named(self, method: str, words: str, storage: S3Storage, proxy: Proxy) -> None:
        proxy.refuse = refusals.denied(method)
        with pytest.raises(StorageUnavailable, match=f"may not {words} in the bucket 'media'"):
            call_storage(
                lambda: (storage.save(OTHER, ContentFile(b"pixels")), storage.delete(OTHER)), storage
            )


class TestThrottling:
    def test_call_is_repeated_after_slow_down(self, bucket: Path, proxy: Proxy) -> None:
        once = iter(["once"])
        proxy.refuse = lambda head: refusals.refusal(head, 503, "SlowDown") if next(once, "") else b""
        options = storage_options(proxy.url)
        # As in the settings of the site.
        del options["client_config"]
        patient = S3Storage(**options)
        assert patient.client_config is s3.CLIENT
        patient.save(KEY, ContentFile(b"pixels"))
        assert (bucket / KEY).read_bytes() == b"pixels"
        close(patient)

    def test_lasting_slow_down_is_unavailable(self, storage: S3Storage, proxy: Proxy) -> None:
        proxy.refuse = refusals.always(503, "SlowDown")
        unavailable(storage, "asks for fewer requests")


class TestCredentials:
    @pytest.fixture
    def file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Return the file from which boto3 reads the credentials."""
        file = tmp_path / "credentials"
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        return file

    @staticmethod
    def write(file: Path, token: str) -> None:
        lines = {
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": SECRET_KEY,
            "aws_session_token": token,
        }
        file.write_text("[default]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items()))

    def test_expired_token_is_unavailable_until_the_file_has_another(
        self, bucket: Path, proxy: Proxy, file: Path
    ) -> None:
        self.write(file, "first")
        options = storage_options(proxy.url, config=PATIENT)
        del options["access_key"], options["secret_key"]
        storage = S3Storage(**options)
        storage.save(KEY, ContentFile(b"pixels"))
        proxy.refuse = refusals.expired("first")
        unavailable(storage, "have expired")
        self.write(file, "second")
        assert read(storage, KEY) == b"pixels"
        storage.save(OTHER, ContentFile(b"others"))
        assert keys_in(storage) == {KEY, OTHER}
        close(storage)


class TestOwnership:
    @pytest.mark.parametrize("size", [100, LARGE], ids=["small", "large"])
    def test_bucket_without_acl_accepts_every_file(self, size: int, bucket: Path, proxy: Proxy) -> None:
        proxy.refuse = refusals.no_acl
        storage = S3Storage(**storage_options(proxy.url, config=PATIENT))
        storage.save(KEY, ContentFile(bytes(size)))
        assert (bucket / KEY).stat().st_size == size
        close(storage)


class TestClocks:
    def test_skewed_clock_is_unavailable_and_named(self, storage: S3Storage, proxy: Proxy) -> None:
        proxy.refuse = refusals.skewed_by(timedelta(minutes=10))
        assert read(storage, KEY) == b"pixels"
        proxy.refuse = refusals.skewed_by(timedelta(minutes=20))
        with pytest.raises(StorageUnavailable, match="clock of this machine"):
            call_storage(storage.check, storage)
        for call in (lambda: storage.size(KEY), lambda: read(storage, OTHER)):
            with pytest.raises(StorageUnavailable, match="clock of this machine"):
                call_storage(call, storage)
