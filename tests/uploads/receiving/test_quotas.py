"""Quotas: an owner whose quota is used up cannot send more, however many requests arrive at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.test import Client
from rest_framework.test import APIClient

from tests.conftest import MakeFile, MakeImage, Send, stored_keys
from uploads import services
from uploads.models import Quota, Upload
from uploads.receiving import quotas
from uploads.receiving.quotas import QuotaExceeded
from uploads.upkeep import recurring

pytestmark = pytest.mark.django_db


def used(person: User) -> tuple[int, int]:
    usage = quotas.usage_of(person)
    return usage.images, usage.bytes


def limit_to(person: User, **limits: int) -> None:
    Quota.objects.update_or_create(owner=person, defaults=limits)


def test_uploads_are_counted_with_their_bytes(
    owner: User, stranger: User, send: Send, make_image: MakeImage
) -> None:
    uploads = [send(), send(make_image(seed=1))]
    assert used(owner) == (2, sum(upload.original.byte_size for upload in uploads))
    assert used(stranger) == (0, 0)


def test_duplicate_counts_once(owner: User, send: Send) -> None:
    upload = send()
    send()
    assert used(owner) == (1, upload.original.byte_size)


def test_deleted_upload_does_not_count_until_it_is_restored(owner: User, send: Send) -> None:
    upload = send()
    services.delete_upload(upload=upload)
    assert used(owner) == (0, 0)
    limit_to(owner, max_images=0)
    services.restore_upload(owner=owner, upload_id=upload.pk)
    assert used(owner) == (1, upload.original.byte_size)


def test_image_beyond_the_quota_is_refused(owner: User, send: Send, make_image: MakeImage) -> None:
    limit_to(owner, max_images=1)
    send()
    with pytest.raises(QuotaExceeded, match="You have 1 of 1 images"):
        send(make_image(seed=1))
    assert Upload.objects.count() == 1
    assert len([key for key in stored_keys() if key.startswith("originals/")]) == 1


def test_byte_beyond_the_quota_is_refused(owner: User, send: Send, make_image: MakeImage) -> None:
    first, second = make_image(), make_image(seed=1)
    limit_to(owner, max_bytes=len(first) + len(second) - 1)
    send(first)
    with pytest.raises(QuotaExceeded, match="Delete some"):
        send(second)
    limit_to(owner, max_bytes=len(first) + len(second))
    send(second)


def test_personal_limits_take_precedence_over_the_settings(
    owner: User, stranger: User, settings: Any
) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "QUOTA_IMAGES": 7, "QUOTA_BYTES": 0}
    limit_to(owner, max_images=3, max_bytes=9)
    assert [quotas.usage_of(person).max_images for person in (owner, stranger)] == [3, 7]
    assert [quotas.usage_of(person).max_bytes for person in (owner, stranger)] == [9, None]


def test_uploads_before_quotas_existed_are_counted(owner: User, send: Send, make_image: MakeImage) -> None:
    first = send()
    Quota.objects.all().delete()
    assert used(owner) == (1, first.original.byte_size)
    second = send(make_image(seed=1))
    assert used(owner) == (2, first.original.byte_size + second.original.byte_size)


def test_recount_corrects_wrong_counts(owner: User, send: Send) -> None:
    upload = send()
    Quota.objects.update(images=7, bytes=1)
    recurring.recount_quotas()
    assert used(owner) == (1, upload.original.byte_size)


@pytest.mark.django_db(transaction=True)
def test_concurrent_uploads_do_not_exceed_the_quota(
    owner: User, make_image: MakeImage, make_file: MakeFile
) -> None:
    limit_to(owner, max_images=3)
    files = [make_file(make_image(seed=seed)) for seed in range(8)]

    def receive(file: Any) -> bool:
        try:
            services.receive_upload(owner=owner, file=file)
        except QuotaExceeded:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(len(files)) as pool:
        taken = list(pool.map(receive, files))
    assert (sum(taken), Upload.objects.count(), used(owner)[0]) == (3, 3, 3)


class TestAPI:
    def test_api_returns_usage_and_limits(
        self, owner: User, send: Send, client_of: Callable[[User], APIClient]
    ) -> None:
        upload = send()
        limit_to(owner, max_images=10, max_bytes=0)
        assert client_of(owner).get("/api/quota/").json() == {
            "images": {"used": 1, "limit": 10},
            "bytes": {"used": upload.original.byte_size, "limit": 0},
        }

    def test_full_quota_is_a_problem_with_its_code(
        self, owner: User, make_image: MakeImage, client_of: Callable[[User], APIClient]
    ) -> None:
        limit_to(owner, max_images=0)
        file = SimpleUploadedFile("a.jpg", make_image())
        answer = client_of(owner).post("/api/uploads/", {"file": file}, format="multipart")
        assert (answer.status_code, answer.json()["code"]) == (507, "quota_exceeded")


class TestPages:
    @pytest.mark.parametrize("path", ["/", "/account/"])
    def test_page_shows_usage_and_limits(self, path: str, owner: User, client: Client) -> None:
        Quota.objects.create(owner=owner, images=1234, bytes=5 << 20, max_images=2000, max_bytes=10 << 20)
        client.force_login(owner)
        page = " ".join(client.get(path).content.decode().replace("\xa0", " ").split())
        assert "1,234 of 2,000" in page
        assert "5.0 MB of 10.0 MB" in page
        assert '<meter min="0" max="2000" value="1234"' in page

    def test_form_reports_a_full_quota(self, owner: User, client: Client, make_image: MakeImage) -> None:
        limit_to(owner, max_images=0)
        client.force_login(owner)
        file = SimpleUploadedFile("a.jpg", make_image())
        page = client.post("/", {"file": file}, follow=True).content.decode()
        assert "You have 0 of 0 images" in page
        assert not Upload.objects.exists()
