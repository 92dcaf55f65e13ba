"""The history of an upload: a step of an original is recorded for each of its uploads."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from processing.images.reading.refusals import UnreadableImage
from processing.signals import step_failed, step_finished, step_started
from tests.conftest import Send
from uploads import services
from uploads.events import history
from uploads.models import Delivery, Event, Step, Upload
from uploads.notices.announcements import announce

pytestmark = pytest.mark.django_db


def start(upload: Upload, step: str) -> None:
    step_started.send(sender=None, content_hash=upload.original.content_hash, step=step)


def finish(upload: Upload, step: str) -> None:
    step_finished.send(sender=None, content_hash=upload.original.content_hash, step=step)


def fail(upload: Upload) -> None:
    refusal = UnreadableImage("The file is damaged.")
    step_failed.send(
        sender=None, content_hash=upload.original.content_hash, step="generate_thumbnails", refusal=refusal
    )


def names_of(upload: Upload) -> list[str]:
    return [event.name for event in upload.events.all()]


def test_event_is_recorded_once(send: Send, owner: User) -> None:
    upload = send()
    event = announce(upload, Event.Name.READY, size=7)
    assert event is not None
    assert (event.owner, event.data) == (owner, {"id": str(upload.pk), "filename": "photo.jpg", "size": 7})
    assert announce(upload, Event.Name.READY) is None
    assert names_of(upload) == ["upload.received", "upload.ready"]


def test_repeated_event_creates_no_second_notice(send: Send) -> None:
    upload = send()
    for _ in range(3):
        announce(upload, Event.Name.READY)
    assert Delivery.objects.count() == 2


def test_step_start_is_shown_on_every_upload_of_the_original(send: Send, stranger: User) -> None:
    uploads = [send(), send(by=stranger)]
    start(uploads[0], "generate_thumbnails")
    for upload in uploads:
        upload.refresh_from_db()
        assert upload.status == Upload.Status.PROCESSING
        assert upload.steps.get().finished_at is None


def test_repeated_step_start_resets_its_time(send: Send) -> None:
    upload = send()
    start(upload, "generate_thumbnails")
    finish(upload, "generate_thumbnails")
    first = upload.steps.get()
    start(upload, "generate_thumbnails")
    again = upload.steps.get()
    assert again.started_at > first.started_at
    assert again.finished_at is None


@pytest.mark.parametrize("status", ["ready", "failed"])
def test_finished_or_deleted_upload_is_not_changed(send: Send, stranger: User, status: str) -> None:
    finished, deleted = send(), send(by=stranger)
    Upload.objects.filter(pk=finished.pk).update(status=status)
    services.delete_upload(upload=deleted)
    start(finished, "generate_thumbnails")
    finish(finished, "generate_thumbnails")
    fail(finished)
    assert not Step.objects.exists()
    assert set(Upload.objects.values_list("status", flat=True)) == {status, "pending"}
    assert not Event.objects.filter(name__in=["upload.thumbnails_ready", "upload.failed"]).exists()


def test_thumbnails_ready_is_recorded_once(send: Send) -> None:
    upload = send()
    start(upload, "generate_thumbnails")
    finish(upload, "generate_thumbnails")
    upload.refresh_from_db()
    first_seen_at = upload.thumbnails_ready_at
    finish(upload, "generate_thumbnails")
    upload.refresh_from_db()
    assert upload.thumbnails_ready_at == first_seen_at is not None
    assert names_of(upload) == ["upload.received", "upload.thumbnails_ready"]


def test_resize_step_records_no_event(send: Send) -> None:
    upload = send()
    start(upload, "resize_image")
    finish(upload, "resize_image")
    upload.refresh_from_db()
    assert upload.thumbnails_ready_at is None
    assert upload.steps.get().finished_at is not None
    assert names_of(upload) == ["upload.received"]


def test_failure_has_a_reason_and_notices(send: Send, stranger: User) -> None:
    uploads = [send(), send(by=stranger)]
    fail(uploads[0])
    for upload in uploads:
        upload.refresh_from_db()
        assert (upload.status, upload.error_code) == ("failed", "unreadable_image")
        assert upload.error_detail == "The file is damaged."
        event = upload.events.get(name="upload.failed")
        assert (event.data["code"], event.data["detail"]) == ("unreadable_image", "The file is damaged.")
        assert set(event.deliveries.values_list("channel", flat=True)) == {"in_app", "email"}


def test_step_of_another_original_is_ignored(send: Send) -> None:
    step_started.send(sender=None, content_hash="0" * 64, step="generate_thumbnails")
    assert send().status == Upload.Status.PENDING


def test_step_end_without_a_start_creates_no_step(send: Send) -> None:
    history.end_step([send()], "resize_image")
    assert not Step.objects.filter(finished_at__lte=timezone.now()).exists()
