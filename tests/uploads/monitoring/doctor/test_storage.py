"""The doctor's words for a storage that does not work."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.files.storage import default_storage
from pytest_django import Settings

from tests.faults.proxy import Proxy, proxy_to
from tests.storage import refusals
from tests.storage.servers import close, moto_server, s3_storage, storage_options
from uploads.monitoring.doctor import storage

pytestmark = pytest.mark.any_database


def test_folder_that_is_a_file_is_reported(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    settings.MEDIA_ROOT = tmp_path / "file" / "media"
    assert storage.problem().startswith("The storage failed: ")


def test_changed_bytes_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_read", lambda _probe: b"others")
    assert storage.problem() == "The storage returned other bytes than those written."


def test_unlisted_file_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_storage, "walk", lambda _folder: iter(()))
    assert storage.problem() == "The storage does not list a file that was written."


def test_kept_file_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_storage, "delete", lambda _name: None)
    assert storage.problem() == "The storage kept a file that was deleted."


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    """Return a proxy to moto, with a bucket."""
    with moto_server() as endpoint, proxy_to(urlsplit(endpoint).port or 0) as proxy:
        with s3_storage(proxy.url) as made:
            made.connection.meta.client.create_bucket(Bucket="media")
        yield proxy


@pytest.mark.slow
class TestS3:
    @pytest.fixture
    def use(self, settings: Settings, proxy: Proxy) -> Iterator[Any]:
        """Return a function that stores the files behind the proxy, with these options."""

        def change(**options: Any) -> None:
            given = {**storage_options(proxy.url), **options}
            backend = {"BACKEND": "processing.storages.s3.S3Storage", "OPTIONS": given}
            settings.STORAGES = {**settings.STORAGES, "default": backend}

        yield change
        close(default_storage)  # type: ignore[arg-type]
        proxy.refuse = lambda _head: b""

    def test_round_trip_leaves_nothing(self, use: Any) -> None:
        use(location="photos")
        assert storage.problem() == ""
        assert list(default_storage.bucket.objects.all()) == []  # type: ignore[attr-defined]

    def test_missing_bucket_is_named(self, use: Any) -> None:
        use(bucket_name="nowhere")
        assert "has no bucket 'nowhere'. Create it, or check S3_BUCKET" in storage.problem()

    @pytest.mark.parametrize(
        ("rule", "words"),
        [
            (refusals.denied("PUT"), "may not write in the bucket 'media'. Allow s3:PutObject"),
            (refusals.denied("GET", "HEAD"), "may not read in the bucket 'media'. Allow s3:GetObject"),
            (refusals.denied("DELETE"), "may not delete in the bucket 'media'. Allow s3:DeleteObject"),
            (refusals.always(403, "AccessDenied"), "may not list in the bucket 'media'. Allow s3:ListBucket"),
            (refusals.always(400, "ExpiredToken"), "have expired"),
            (refusals.always(403, "SignatureDoesNotMatch"), "AWS_SECRET_ACCESS_KEY"),
            (refusals.always(403, "RequestTimeTooSkewed"), "Set the clock"),
        ],
    )
    def test_refusal_is_said_in_words(self, rule: Any, words: str, use: Any, proxy: Proxy) -> None:
        use()
        proxy.refuse = rule
        assert words in storage.problem()
