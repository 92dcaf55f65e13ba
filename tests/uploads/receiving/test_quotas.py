"""Quotas: an owner whose quota is used up cannot send more, however many requests arrive at once."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Sum
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from processing import originals
from processing.models import PendingFile
from processing.storages.media import StorageUnavailable
from tests.conftest import MakeFile, MakeImage, Send, assert_storage_matches_rows, stored_keys
from tests.threads import at_once
from uploads import services
from uploads.models import Event, Quota, Reservation, Upload
from uploads.receiving import quotas
from uploads.receiving.quotas import QuotaExceeded
from uploads.upkeep import collector, recurring

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


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


def test_deleted_upload_counts_until_it_is_purged(owner: User, send: Send, settings: Any) -> None:
    upload = send()
    services.delete_upload(upload=upload)
    assert used(owner) == (1, upload.original.byte_size)
    services.restore_upload(owner=owner, upload_id=upload.pk)
    assert used(owner) == (1, upload.original.byte_size)
    settings.DARKROOM = {**settings.DARKROOM, "DELETE_GRACE": 0}
    services.delete_upload(upload=upload)
    for _ in range(2):
        collector.collect()
        assert used(owner) == (0, 0)


def test_deleting_and_restoring_does_not_exceed_the_quota(
    owner: User, send: Send, make_image: MakeImage
) -> None:
    limit_to(owner, max_images=3)
    uploads = [send(make_image(seed=seed)) for seed in range(3)]
    for upload in uploads:
        services.delete_upload(upload=upload)
    with pytest.raises(QuotaExceeded, match="Delete some for good"):
        send(make_image(seed=3))
    for upload in uploads:
        services.restore_upload(owner=owner, upload_id=upload.pk)
    assert (Upload.objects.live().count(), used(owner)[0]) == (3, 3)


class TestPurge:
    @pytest.mark.parametrize("deleted", [True, False])
    def test_deletion_for_good_frees_the_quota_at_once(
        self, deleted: bool, owner: User, send: Send, make_image: MakeImage
    ) -> None:
        limit_to(owner, max_images=1)
        upload = send()
        if deleted:
            services.delete_upload(upload=upload)
        assert services.purge_upload(owner=owner, upload_id=upload.pk)
        assert used(owner) == (0, 0)
        assert services.restore_upload(owner=owner, upload_id=upload.pk) is None
        assert not services.purge_upload(owner=owner, upload_id=upload.pk)
        assert Event.objects.filter(name=Event.Name.DELETED, upload=None).count() == 1
        send(make_image(seed=1))

    def test_original_is_collected_unless_another_owner_has_it(
        self, owner: User, stranger: User, send: Send, settings: Any
    ) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "DELETE_GRACE": 0}
        for person in (owner, stranger):
            send(by=person)
        for person, left in ((owner, 1), (stranger, 0)):
            services.purge_upload(owner=person, upload_id=Upload.objects.get(owner=person).pk)
            collector.collect()
            assert len(stored_keys()) == left

    def test_other_person_purges_nothing(self, stranger: User, send: Send) -> None:
        upload = send()
        assert not services.purge_upload(owner=stranger, upload_id=upload.pk)
        assert services.purge_uploads(owner=stranger, deleted_at=timezone.now()) == 0
        assert Upload.objects.live().filter(pk=upload.pk).exists()

    def test_takedown_outlasts_a_deletion_for_good(self, owner: User, send: Send) -> None:
        upload = send()
        services.take_down(upload=upload, reason="a complaint")
        deleted_at = services.delete_uploads(uploads=[upload])
        assert services.purge_uploads(owner=owner, deleted_at=deleted_at) == 0
        assert services.purge_upload(owner=owner, upload_id=upload.pk)
        assert used(owner)[0] == 1
        assert send().taken_down_at is not None

    @pytest.mark.django_db(transaction=True)
    def test_concurrent_purges_refund_once(self, owner: User, send: Send, make_image: MakeImage) -> None:
        kept = send(make_image(seed=1))
        upload = send()
        purge = partial(services.purge_upload, owner=owner, upload_id=upload.pk)
        at_once(*[purge] * 4)
        assert used(owner) == (1, kept.original.byte_size)

    @pytest.mark.django_db(transaction=True)
    def test_purge_during_an_upload_ends_well(
        self, owner: User, send: Send, make_image: MakeImage, make_file: MakeFile
    ) -> None:
        """Both lock the quota and the person, in the same order."""
        uploads = [send(make_image(seed=seed)) for seed in range(4)]
        files = [make_file(make_image(seed=seed)) for seed in range(4, 8)]
        at_once(
            *[partial(services.purge_upload, owner=owner, upload_id=upload.pk) for upload in uploads],
            *[partial(services.receive_upload, owner=owner, file=file) for file in files],
        )
        assert (Upload.objects.count(), used(owner)[0]) == (4, 4)


class TestReservation:
    def test_refused_file_never_reaches_the_storage(
        self, owner: User, send: Send, make_image: MakeImage
    ) -> None:
        limit_to(owner, max_images=1)
        with quotas.reserved(person=owner, byte_size=1):
            assert used(owner) == (1, 1)
            with pytest.raises(QuotaExceeded):
                send()
        assert stored_keys() == set()
        send()
        assert used(owner)[0] == 1
        assert not Reservation.objects.exists()

    def test_room_is_given_back_after_a_failure(
        self, owner: User, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_arguments: object) -> None:
            raise OSError("No space left on device")

        monkeypatch.setattr(default_storage, "save", fail)
        with pytest.raises(StorageUnavailable):
            send()
        assert used(owner) == (0, 0)
        assert not Reservation.objects.exists()

    def test_room_of_a_killed_process_is_free_after_an_hour(self, owner: User) -> None:
        Reservation.objects.create(owner=owner, byte_size=9, expires_at=timezone.now() + HOUR)
        assert used(owner) == (1, 9)
        collector.collect()
        assert Reservation.objects.exists()
        Reservation.objects.update(expires_at=timezone.now())
        assert used(owner) == (0, 0)
        collector.collect()
        assert not Reservation.objects.exists()

    def test_file_that_is_refused_after_it_was_stored_is_removed_at_once(
        self, owner: User, send: Send, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The reservation expires while the file is stored, and another image takes its room."""
        limit_to(owner, max_images=1)
        ensure_stored = originals.ensure_stored

        def slowly(**arguments: Any) -> bool:
            written = ensure_stored(**arguments)
            Reservation.objects.update(expires_at=timezone.now())
            monkeypatch.undo()
            send(make_image(seed=1))
            return written

        monkeypatch.setattr(originals, "ensure_stored", slowly)
        with pytest.raises(QuotaExceeded):
            send()
        assert len(stored_keys()) == 2
        assert_storage_matches_rows()
        assert len(stored_keys()) == 1

    def test_deleted_uploads_are_added_to_existing_quotas(self, owner: User, send: Send) -> None:
        upload = send()
        services.delete_upload(upload=upload)
        Quota.objects.update(images=0, bytes=0)
        import_module("uploads.migrations.0017_reservations").count_deleted_uploads(apps, None)
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
@pytest.mark.parametrize("what", ["images", "bytes"])
def test_concurrent_uploads_do_not_exceed_the_quota(
    what: str, owner: User, make_image: MakeImage, make_file: MakeFile
) -> None:
    """Deletions free nothing meanwhile, and no refused file is left in the storage."""
    files = [make_file(make_image(seed=seed)) for seed in range(10)]
    deleted = services.receive_upload(owner=owner, file=files.pop()).upload
    largest = max(file.size or 0 for file in files)
    limit_to(owner, **({"max_images": 4} if what == "images" else {"max_bytes": 4 * largest}))

    def receive(file: Any) -> bool:
        try:
            services.receive_upload(owner=owner, file=file)
        except QuotaExceeded:
            return False
        return True

    def repeat_deletion() -> None:
        for _ in range(3):
            services.delete_upload(upload=deleted)
            services.restore_upload(owner=owner, upload_id=deleted.pk)

    taken = at_once(repeat_deletion, *[partial(receive, file) for file in files])[1:]
    assert (sum(taken), Upload.objects.live().count(), used(owner)[0]) == (3, 4, 4)
    assert used(owner)[1] == Upload.objects.aggregate(bytes=Sum("original__byte_size"))["bytes"]
    assert len([key for key in stored_keys() if key.startswith("originals/")]) == 4
    assert not Reservation.objects.exists()
    assert not PendingFile.objects.exists()


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

    def test_permanent_deletion_frees_the_quota_at_once(
        self, owner: User, send: Send, make_image: MakeImage, client_of: Callable[[User], APIClient]
    ) -> None:
        api, first, second = client_of(owner), send(), send(make_image(seed=1))
        assert api.delete(f"/api/uploads/{first.pk}/?permanent=false").status_code == 204
        assert used(owner)[0] == 2
        for upload in (first, second):
            assert api.delete(f"/api/uploads/{upload.pk}/?permanent=true").status_code == 204
            assert api.delete(f"/api/uploads/{upload.pk}/?permanent=true").status_code == 404
            assert api.post(f"/api/uploads/{upload.pk}/restore/").status_code == 404
        assert used(owner) == (0, 0)

    def test_deletion_refuses_another_value(
        self, owner: User, send: Send, client_of: Callable[[User], APIClient]
    ) -> None:
        answer = client_of(owner).delete(f"/api/uploads/{send().pk}/?permanent=perhaps")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert Upload.objects.live().exists()

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

    def test_message_of_a_deletion_offers_to_make_it_final(
        self, owner: User, client: Client, send: Send
    ) -> None:
        client.force_login(owner)
        upload = send()
        page = client.post(f"/uploads/{upload.pk}/delete", follow=True).content.decode()
        assert "Undo" in page
        assert 'action="/uploads/purge"' in page
        deleted_at = Upload.objects.get().deleted_at
        assert deleted_at is not None
        answer = client.post("/uploads/purge", {"deleted_at": deleted_at.isoformat()}, follow=True)
        assert "1 image deleted for good." in answer.content.decode()
        assert (Upload.objects.exists(), used(owner)) == (False, (0, 0))
        for value in (deleted_at.isoformat(), "nonsense"):
            answer = client.post("/uploads/purge", {"deleted_at": value}, follow=True)
            assert "There is nothing to delete for good." in answer.content.decode()
