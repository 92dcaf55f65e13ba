"""The end of the chain: an upload becomes ready once, is announced once, and not before it is complete."""

import uuid
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from processing import steps
from processing.models import Rendition
from tests.conftest import Send
from tests.threads import at_once
from uploads import broker, services, tasks
from uploads.completion import complete
from uploads.models import Delivery, Event, Upload

pytestmark = pytest.mark.django_db


def render(upload: Upload) -> None:
    for step in ("generate_thumbnails", "resize_image"):
        steps.run(step=step, content_hash=upload.original.content_hash)


def test_complete_upload_becomes_ready_and_its_owner_is_notified(send: Send) -> None:
    upload = send()
    render(upload)
    assert complete(upload.pk) is True
    upload.refresh_from_db()
    assert upload.status == Upload.Status.READY
    assert upload.ready_at is not None
    notify = upload.steps.get(name="notify_owner")
    assert notify.finished_at is not None
    in_app, email = Delivery.objects.order_by("-channel")
    assert (in_app.channel, email.channel) == ("in_app", "email")
    assert in_app.delivered_at is not None
    assert (email.delivered_at, email.attempts) == (None, 0)


def test_repeated_completion_sends_no_second_notice(send: Send) -> None:
    upload = send()
    render(upload)
    assert [complete(upload.pk) for _ in range(3)] == [True, False, False]
    assert Event.objects.filter(name="upload.ready").count() == 1
    assert Delivery.objects.count() == 2


def test_incomplete_upload_is_not_ready(send: Send) -> None:
    upload = send()
    render(upload)
    Rendition.objects.filter(preset="large", format="webp").delete()
    assert complete(upload.pk) is False
    upload.refresh_from_db()
    assert (upload.status, upload.ready_at) == ("processing", None)


@pytest.mark.parametrize(
    "change", [{"status": "failed"}, {"status": "ready"}, {"deleted_at": timezone.now()}]
)
def test_finished_or_deleted_upload_is_not_changed(send: Send, change: dict[str, Any]) -> None:
    upload = send()
    render(upload)
    Upload.objects.update(**change)
    assert complete(upload.pk) is False
    assert not Delivery.objects.exists()


def test_missing_upload_is_ignored() -> None:
    assert complete(uuid.uuid4()) is False
    tasks.notify_owner(upload_id=str(uuid.uuid4()))


def test_owner_without_an_email_gets_no_mail(send: Send, owner: User) -> None:
    User.objects.update(email="")
    upload = send(by=User.objects.get())
    render(upload)
    complete(upload.pk)
    assert Delivery.objects.get().channel == "in_app"


def test_reprocessing_sends_no_notice_and_keeps_ready_at(send: Send) -> None:
    upload = send()
    render(upload)
    complete(upload.pk)
    upload.refresh_from_db()
    first_ready_at = upload.ready_at
    services.reprocess_here(upload=upload, force=True)
    upload.refresh_from_db()
    assert (upload.status, upload.ready_at) == ("ready", first_ready_at)
    assert Delivery.objects.count() == 2


def test_completion_is_atomic(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = send()
    render(upload)

    def break_off(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Delivery.objects, "create", break_off)
    with pytest.raises(ZeroDivisionError):
        complete(upload.pk)
    upload.refresh_from_db()
    assert upload.status == Upload.Status.PROCESSING
    assert not Event.objects.filter(name="upload.ready").exists()


@pytest.mark.django_db(transaction=True)
def test_five_concurrent_completions_send_one_notice(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "publish", lambda _message: True)
    upload = send()
    render(upload)
    answers = at_once(*[partial(complete, upload.pk)] * 5)
    assert sorted(answers) == [False] * 4 + [True]
    assert Event.objects.filter(name="upload.ready").count() == 1
    assert Delivery.objects.count() == 2


def test_focal_point_of_another_owner_does_not_delay_an_upload(send: Send, stranger: User) -> None:
    """The other owner's focal point starts a chain for that owner only. It does not delay this upload."""
    upload, theirs = send(), send(by=stranger)
    render(upload)
    services.set_focus(upload=theirs, point=(0.31, 0.4))
    assert complete(upload.pk) is True
    assert complete(theirs.pk) is False
    render(theirs)
    assert complete(theirs.pk) is True


def test_steps_that_ran_while_deleted_do_not_complete_an_upload(send: Send, owner: User) -> None:
    upload = send()
    services.delete_upload(upload=upload)
    steps.run(step="generate_thumbnails", content_hash=upload.original.content_hash)
    services.restore_upload(owner=owner, upload_id=upload.pk)
    steps.run(step="resize_image", content_hash=upload.original.content_hash)
    # The old chain ends here. The chain that the restoration started is still running.
    assert complete(upload.pk) is False
    render(upload)
    assert complete(upload.pk) is True
    upload.refresh_from_db()
    assert upload.thumbnails_ready_at is not None
    assert [event.name for event in upload.events.all()] == [
        "upload.received", "upload.deleted", "upload.restored", "upload.thumbnails_ready", "upload.ready",
    ]  # fmt: skip
