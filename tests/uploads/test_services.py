"""Receiving, changing, reprocessing and deleting: once, twice and concurrently."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import InternalError
from django.utils import timezone
from rest_framework.test import APIClient

from processing import conf, originals, steps
from processing.database.availability import DATABASE_UNAVAILABLE
from processing.errors import Refusal
from processing.garbage import pending_files
from processing.models import Focus, Lease, Original, PendingFile, Rendition
from processing.storages.media import StorageUnavailable
from tests.conftest import (
    MakeFile,
    MakeImage,
    Send,
    assert_storage_matches_rows,
    remove_garbage,
    stored_keys,
)
from tests.threads import at_once, run_at_once
from uploads import completion, pipeline, services
from uploads.completion import complete
from uploads.models import Delivery, Event, Step, Upload
from uploads.receiving import quotas
from uploads.upkeep import collector


def make_ready(upload: Upload) -> Upload:
    completion.run_here(upload)
    upload.refresh_from_db()
    return upload


@pytest.mark.django_db
class TestReceive:
    def test_upload_becomes_ready(self, send: Send) -> None:
        upload = make_ready(send())
        assert upload.status == Upload.Status.READY
        assert upload.original.renditions.count() == 10
        assert_storage_matches_rows()

    def test_original_upload_and_event_are_created(
        self, send: Send, owner: User, make_image: MakeImage
    ) -> None:
        data = make_image(width=60, height=40)
        upload = send(data, name="sea.jpg")
        original = upload.original
        assert (upload.owner, upload.filename, upload.status) == (owner, "sea.jpg", "pending")
        assert (original.format, original.width, original.height) == ("jpeg", 60, 40)
        assert (original.byte_size, original.transparent) == (len(data), False)
        assert [event.name for event in upload.events.all()] == [Event.Name.RECEIVED]
        assert_storage_matches_rows()

    def test_size_is_upright(self, send: Send, make_image: MakeImage) -> None:
        from_side = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
        original = send(make_image(width=60, height=40, exif=from_side)).original
        assert (original.width, original.height) == (40, 60)

    def test_same_bytes_of_one_owner_are_one_upload(
        self, owner: User, make_file: MakeFile, make_image: MakeImage
    ) -> None:
        data = make_image()
        first, again = (services.receive_upload(owner=owner, file=make_file(data)) for _ in range(2))
        assert (first.duplicate, again.duplicate) == (False, True)
        assert first.upload == again.upload
        assert Event.objects.count() == 1

    def test_same_bytes_of_two_owners_are_one_original(self, send: Send, stranger: User) -> None:
        first, second = send(), send(by=stranger)
        assert first != second
        assert first.original == second.original
        assert len(stored_keys()) == 1

    def test_known_bytes_are_not_stored_again(
        self, send: Send, stranger: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send()
        monkeypatch.setattr(originals, "store", lambda **_arguments: pytest.fail("stored twice"))
        send(by=stranger)

    def test_refused_file_leaves_nothing(self, send: Send) -> None:
        with pytest.raises(Refusal):
            send(b"no image at all")
        assert stored_keys() == set()
        assert not Original.objects.exists()

    def test_unavailable_storage_leaves_no_rows(self, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_arguments: object) -> None:
            raise OSError("No space left on device")

        monkeypatch.setattr(default_storage, "save", refuse)
        with pytest.raises(StorageUnavailable):
            send()
        assert not Original.objects.exists()
        assert not Upload.objects.exists()

    @pytest.mark.parametrize("error", [*DATABASE_UNAVAILABLE, StorageUnavailable])
    def test_file_of_an_upload_that_fails_afterwards_is_removed_at_once(
        self, send: Send, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
    ) -> None:
        def refuse(**_arguments: object) -> None:
            assert stored_keys()
            raise error("It is unavailable.")

        monkeypatch.setattr(quotas, "charge", refuse)
        with pytest.raises(error):
            send()
        remove_garbage()
        assert stored_keys() == set()

    def test_database_that_stays_unavailable_is_reported_as_such(
        self, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_arguments: object, **_options: object) -> None:
            raise InternalError("cannot execute UPDATE in a read-only transaction")

        monkeypatch.setattr(quotas, "charge", refuse)
        monkeypatch.setattr(pending_files, "hasten", refuse)
        with pytest.raises(InternalError):
            send()
        # The collector removes it a day later.
        assert PendingFile.objects.count() == 1

    def test_chain_starts_only_on_commit(
        self, send: Send, started: list[Upload], django_capture_on_commit_callbacks: Any
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            upload = send()
            assert started == []
        assert started == [upload]

    def test_same_bytes_after_a_deletion_are_a_new_upload(self, send: Send) -> None:
        first = send()
        services.delete_upload(upload=first)
        assert send() != first

    def test_original_that_lost_all_files_is_completed(self, send: Send) -> None:
        upload = send()
        completion.run_here(upload)
        for key in stored_keys():
            default_storage.delete(key)
        Upload.objects.all().delete()
        completion.run_here(send())
        assert len(stored_keys()) == 11
        assert_storage_matches_rows()


@pytest.mark.django_db
class TestLists:
    def test_list_contains_own_uploads_newest_first(
        self, send: Send, owner: User, stranger: User, make_image: MakeImage
    ) -> None:
        mine = [send(make_image(seed=seed)) for seed in range(3)]
        send(by=stranger)
        assert list(Upload.objects.shown().filter(owner=owner)) == mine[::-1]

    def test_deleted_uploads_are_omitted(self, send: Send, owner: User) -> None:
        services.delete_upload(upload=send())
        assert not Upload.objects.shown().filter(owner=owner).exists()
        assert not Upload.objects.shown().exists()

    def test_list_uses_a_fixed_number_of_queries(
        self, send: Send, owner: User, make_image: MakeImage, django_assert_num_queries: Any
    ) -> None:
        for seed in range(4):
            services.set_focus(upload=send(make_image(seed=seed)), point=(seed / 10, 0))
        with django_assert_num_queries(3):
            for upload in Upload.objects.shown().filter(owner=owner):
                upload.shown_renditions()
                list(upload.steps.all())
                str(upload.owner)


@pytest.mark.django_db
class TestReprocess:
    def test_reprocess_restarts_a_ready_upload_without_a_second_notice(
        self, send: Send, started: list[Upload]
    ) -> None:
        upload = make_ready(send())
        notices = list(Delivery.objects.values_list("pk", flat=True))
        assert services.reprocess(uploads=[upload]) == 0
        assert started == [upload]
        upload.refresh_from_db()
        assert (upload.status, upload.queued_at, upload.steps.count()) == ("pending", None, 0)
        make_ready(upload)
        assert Event.objects.latest("pk").name == "upload.reprocessed"
        assert list(Delivery.objects.values_list("pk", flat=True)) == notices

    def test_bulk_reprocessing_records_no_event(self, send: Send, started: list[Upload]) -> None:
        upload = make_ready(send())
        before = list(Event.objects.values_list("pk", flat=True))
        services.reprocess(uploads=[upload], bulk=True)
        make_ready(upload)
        assert list(Event.objects.values_list("pk", flat=True)) == before

    def test_unfinished_upload_is_not_restarted(self, send: Send, started: list[Upload]) -> None:
        services.reprocess(uploads=[send()])
        assert started == []

    def test_deleted_upload_is_not_restarted(self, send: Send, started: list[Upload]) -> None:
        upload = make_ready(send())
        services.delete_upload(upload=upload)
        services.reprocess(uploads=[upload])
        assert started == []

    def test_reprocess_clears_the_failure(self, send: Send, started: list[Upload]) -> None:
        upload = send()
        Upload.objects.update(status="failed", error_code="broken", error_detail="It broke.")
        Lease.objects.create(
            original=upload.original, step="resize_image", token="0" * 32, next_attempt_at=timezone.now()
        )
        services.reprocess(uploads=[upload])
        upload.refresh_from_db()
        assert (upload.status, upload.error_code, upload.error_detail) == ("pending", "", "")
        assert not Lease.objects.exists()

    @pytest.mark.parametrize(("force", "deaths"), [(False, 2), (True, 0)])
    def test_deaths_are_forgotten_only_by_force(
        self, force: bool, deaths: int, send: Send, started: list[Upload]
    ) -> None:
        upload = send()
        Upload.objects.update(status="failed")
        Original.objects.update(deaths=2, fault="crashed")
        services.reprocess(uploads=[upload], force=force)
        assert Original.objects.get().deaths == deaths

    def test_reprocess_counts_uploads_that_could_not_be_queued(
        self, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload = make_ready(send())
        monkeypatch.setattr(pipeline, "start", lambda _upload: False)
        assert services.reprocess(uploads=[upload]) == 1

    def test_bulk_flag_is_stored(self, send: Send, started: list[Upload]) -> None:
        upload = make_ready(send())
        services.reprocess(uploads=[upload], bulk=True)
        upload.refresh_from_db()
        assert upload.bulk
        assert started[0].bulk

    def test_existing_renditions_are_kept_without_force(self, send: Send) -> None:
        upload = make_ready(send())
        before = list(Rendition.objects.values_list("pk", "rendered_at"))
        services.reprocess_here(upload=upload)
        assert list(Rendition.objects.values_list("pk", "rendered_at")) == before
        upload.refresh_from_db()
        assert upload.status == Upload.Status.READY

    def test_force_renders_the_same_bytes_again(self, send: Send) -> None:
        upload = make_ready(send())
        before = {row.key: (row.digest, row.rendered_at) for row in Rendition.objects.all()}
        services.reprocess_here(upload=upload, force=True)
        after = {row.key: (row.digest, row.rendered_at) for row in Rendition.objects.all()}
        assert {key: digest for key, (digest, _) in after.items()} == {
            key: digest for key, (digest, _) in before.items()
        }
        assert all(after[key][1] > before[key][1] for key in before)
        assert_storage_matches_rows()

    def test_force_of_one_preset_keeps_the_others(self, send: Send) -> None:
        upload = make_ready(send())
        before = dict(Rendition.objects.values_list("key", "rendered_at"))
        preset = conf.preset_named("small")
        assert preset is not None
        services.reprocess_here(upload=upload, force=True, presets=[preset])
        after = dict(Rendition.objects.values_list("key", "rendered_at"))
        assert {key.rpartition("/")[2][:5] for key in before if after[key] != before[key]} == {"small"}


@pytest.mark.django_db
class TestChange:
    def test_visibility_is_updated(self, send: Send) -> None:
        upload = send()
        services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
        upload.refresh_from_db()
        assert upload.visibility == "private"

    def test_deleted_upload_records_an_event_and_is_not_processed(self, send: Send) -> None:
        upload = send()
        services.delete_upload(upload=upload)
        assert Event.objects.last().name == Event.Name.DELETED  # type: ignore[union-attr]
        completion.run_here(upload)
        upload.refresh_from_db()
        assert upload.status == Upload.Status.PENDING
        assert not Step.objects.exists()


@pytest.mark.django_db
class TestFocus:
    def test_new_focal_point_reprocesses_a_ready_upload(
        self, send: Send, started: list[Upload], django_capture_on_commit_callbacks: Any
    ) -> None:
        upload = make_ready(send())
        with django_capture_on_commit_callbacks(execute=True):
            services.set_focus(upload=upload, point=(0.31, 0.4))
            assert started == []
        upload.refresh_from_db()
        assert (upload.status, upload.queued_at, upload.steps.count()) == ("pending", None, 0)
        assert upload.focus is not None
        assert (started, upload.focus.point) == ([upload], "310.400")

    @pytest.mark.parametrize("point", [None, (0.31, 0.4)])
    def test_same_focal_point_changes_nothing(
        self, send: Send, started: list[Upload], point: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        upload = send()
        services.set_focus(upload=upload, point=point)
        make_ready(upload)
        with django_capture_on_commit_callbacks(execute=True):
            services.set_focus(upload=upload, point=point)
        upload.refresh_from_db()
        assert (upload.status, started) == ("ready", [])

    @pytest.mark.parametrize("status", ["pending", "processing"])
    def test_new_focal_point_restarts_an_unfinished_upload(
        self, send: Send, started: list[Upload], status: str, django_capture_on_commit_callbacks: Any
    ) -> None:
        """The steps that are running may not know the new focal point."""
        upload = send()
        Upload.objects.update(status=status, queued_at=timezone.now(), bulk=True)
        upload.refresh_from_db()
        with django_capture_on_commit_callbacks(execute=True):
            services.set_focus(upload=upload, point=(0.31, 0.4))
        # If the process is killed here, the sweeper starts the upload, however long the queue is.
        assert list(pipeline.held_back()) == [upload]
        upload.refresh_from_db()
        assert (upload.status, upload.queued_at, upload.bulk) == (status, None, False)
        assert started == [upload]

    def test_upload_completes_only_with_its_current_focal_point(
        self, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload = send()
        steps.run(step="generate_thumbnails", content_hash=upload.original.content_hash)
        services.set_focus(upload=upload, point=(0.31, 0.4))
        steps.run(step="resize_image", content_hash=upload.original.content_hash)
        assert complete(upload.pk) is False
        make_ready(upload)
        assert {row.focus for row in upload.shown_renditions() if row.preset == "thumb"} == {"310.400"}

    def test_focal_point_of_a_deleted_upload_is_not_changed(self, send: Send, started: list[Upload]) -> None:
        upload = send()
        services.delete_upload(upload=upload)
        services.set_focus(upload=upload, point=(0.31, 0.4))
        assert not Focus.objects.exists()

    def test_new_focal_point_retries_a_failed_upload(self, send: Send, started: list[Upload]) -> None:
        upload = send()
        Upload.objects.update(status="failed", error_code="broken", error_detail="It broke.")
        services.set_focus(upload=upload, point=(0.31, 0.4))
        upload.refresh_from_db()
        assert (upload.status, upload.error_code) == ("pending", "")

    def test_focal_point_is_restored_with_its_upload(self, send: Send, owner: User) -> None:
        upload = send()
        services.set_focus(upload=upload, point=(0.31, 0.4))
        make_ready(upload)
        services.delete_upload(upload=upload)
        collector.collect()
        restored = services.restore_upload(owner=owner, upload_id=upload.pk)
        assert restored is not None
        assert restored.point == "310.400"
        assert {row.focus for row in restored.shown_renditions() if row.preset == "thumb"} == {"310.400"}


@pytest.mark.django_db
class TestRestore:
    def test_deletion_is_undone(self, send: Send, owner: User, started: list[Upload]) -> None:
        upload = make_ready(send())
        for _ in range(2):
            services.delete_upload(upload=upload)
            assert services.restore_upload(owner=owner, upload_id=upload.pk) == upload
        assert Upload.objects.shown().filter(owner=owner).get().status == "ready"
        names = list(Event.objects.order_by("pk").values_list("name", flat=True))
        assert names[3:] == ["upload.deleted", "upload.restored"] * 2
        assert_storage_matches_rows()

    def test_repeated_delete_and_restore_record_one_event(self, send: Send, owner: User) -> None:
        upload = send()
        for _ in range(2):
            services.delete_upload(upload=upload)
        for _ in range(2):
            assert services.restore_upload(owner=owner, upload_id=upload.pk) == upload
        assert [event.name for event in upload.events.all()] == [
            "upload.received", "upload.deleted", "upload.restored",
        ]  # fmt: skip

    def test_restored_unfinished_upload_is_restarted(
        self, send: Send, owner: User, started: list[Upload], django_capture_on_commit_callbacks: Any
    ) -> None:
        upload = send()
        services.delete_upload(upload=upload)
        completion.run_here(upload)
        started.clear()
        with django_capture_on_commit_callbacks(execute=True):
            services.restore_upload(owner=owner, upload_id=upload.pk)
        assert started == [upload]
        assert make_ready(upload).status == "ready"

    def test_upload_sent_again_prevents_restoration(self, send: Send, owner: User) -> None:
        upload = send()
        services.delete_upload(upload=upload)
        again = send()
        with pytest.raises(services.SentAgain):
            services.restore_upload(owner=owner, upload_id=upload.pk)
        assert Upload.objects.shown().filter(owner=owner).get() == again
        services.delete_upload(upload=again)
        assert services.restore_upload(owner=owner, upload_id=upload.pk) == upload

    def test_missing_or_foreign_upload_cannot_be_restored(
        self, send: Send, owner: User, stranger: User
    ) -> None:
        upload = send(by=stranger)
        services.delete_upload(upload=upload)
        assert services.restore_upload(owner=owner, upload_id=upload.pk) is None
        assert services.restore_upload(owner=owner, upload_id=uuid4()) is None


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_client")
class TestRaces:
    def test_concurrent_deletions_record_one_event(self, send: Send, owner: User) -> None:
        upload = send()
        at_once(*[partial(services.delete_upload, upload=upload)] * 4)
        assert upload.events.filter(name="upload.deleted").count() == 1
        at_once(*[partial(services.restore_upload, owner=owner, upload_id=upload.pk)] * 4)
        assert upload.events.filter(name="upload.restored").count() == 1

    @pytest.mark.slow
    def test_upload_restored_during_a_purge_is_complete_or_gone(
        self, owner: User, send: Send, make_image: MakeImage
    ) -> None:
        for seed in range(8):
            upload = send(make_image(seed=seed))
            completion.run_here(upload)
            _forget(upload)
            restored, _ = at_once(
                partial(services.restore_upload, owner=owner, upload_id=upload.pk), collector.collect
            )
            there = Upload.objects.filter(pk=upload.pk).first()
            assert restored == there
            if there is not None:
                assert (there.deleted_at, there.status) == (None, "ready")
                assert there.steps.count() == 3
            else:
                assert not Original.objects.filter(pk=upload.original_id).exists()
            assert_storage_matches_rows()

    def test_upload_restored_while_the_same_bytes_are_sent_exists_once(
        self, owner: User, send: Send, make_file: MakeFile, make_image: MakeImage
    ) -> None:
        for seed in range(5):
            data = make_image(seed=seed)
            upload = send(data)
            services.delete_upload(upload=upload)
            outcomes = run_at_once(
                partial(services.restore_upload, owner=owner, upload_id=upload.pk),
                partial(services.receive_upload, owner=owner, file=make_file(data)),
            )
            assert outcomes[1] is None
            live = Upload.objects.get(deleted_at=None, original=upload.original_id)
            assert (live == upload) is (outcomes[0] is None)
            assert type(outcomes[0]) in {type(None), services.SentAgain}

    def test_eight_concurrent_requests_create_one_upload(
        self, owner: User, client_of: Callable[[User], APIClient], make_image: MakeImage
    ) -> None:
        data = make_image()
        clients = [client_of(owner) for _ in range(8)]

        def post(client: APIClient) -> tuple[int, str, bool]:
            body, content_type = _multipart(data)
            response: Any = client.post("/api/uploads/", body, content_type=content_type)
            return response.status_code, response.json()["id"], response.json()["duplicate"]

        answers = at_once(*[partial(post, client) for client in clients])
        assert sorted((status, duplicate) for status, _, duplicate in answers) == [(200, True)] * 7 + [
            (201, False)
        ]
        assert len({pk for _, pk, _ in answers}) == 1
        assert Upload.objects.count() == Original.objects.count() == Event.objects.count() == 1
        assert_storage_matches_rows()
        assert (
            list(Path(settings.MEDIA_ROOT).rglob(".*.part"))
            == list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir())
            == []
        )

    def test_two_concurrent_owners_share_the_original(
        self, owner: User, stranger: User, make_file: MakeFile, make_image: MakeImage
    ) -> None:
        for seed in range(5):
            data = make_image(seed=seed)
            received = at_once(
                partial(services.receive_upload, owner=owner, file=make_file(data)),
                partial(services.receive_upload, owner=stranger, file=make_file(data)),
            )
            assert [answer.duplicate for answer in received] == [False, False]
        assert (Upload.objects.count(), Original.objects.count()) == (10, 5)
        assert_storage_matches_rows()

    def test_bytes_sent_during_removal_of_their_original_are_kept(
        self, owner: User, send: Send, make_file: MakeFile, make_image: MakeImage
    ) -> None:
        data = make_image()
        for _ in range(6):
            _forget(send(data))
            receive = partial(services.receive_upload, owner=owner, file=make_file(data))
            received, _ = at_once(receive, collector.collect)
            assert not received.duplicate
            assert Upload.objects.get(deleted_at=None) == received.upload
            assert_storage_matches_rows()


def _multipart(data: bytes) -> tuple[bytes, str]:
    """Return a body and its content type."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    return head + data + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"


def _forget(upload: Upload) -> None:
    """Delete an upload, and move the deletion to before the grace period."""
    services.delete_upload(upload=upload)
    long_ago = timezone.now() - timedelta(days=1)
    Upload.objects.filter(pk=upload.pk).update(deleted_at=long_ago)
    Original.objects.filter(pk=upload.original_id).update(created_at=long_ago)


@pytest.mark.django_db
def test_upload_sent_again_as_private_becomes_private(
    owner: User, make_file: MakeFile, make_image: MakeImage
) -> None:
    services.receive_upload(owner=owner, file=make_file(make_image()))
    again = services.receive_upload(owner=owner, file=make_file(make_image()), visibility="private")
    assert again.duplicate
    assert Upload.objects.get().visibility == "private"
    services.receive_upload(owner=owner, file=make_file(make_image()))
    assert Upload.objects.get().visibility == "private"
