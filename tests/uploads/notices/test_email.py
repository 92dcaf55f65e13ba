"""Digests: one mail for a batch, which is made once and the same at each attempt."""

from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import get_language

from tests.conftest import MakeImage, Send
from tests.inbox import Inbox, body_of
from tests.threads import at_once
from uploads import services
from uploads.models import Delivery, Event, Upload
from uploads.notices import email, preferences, schedule
from uploads.notices.announcements import announce

pytestmark = pytest.mark.django_db

IMAGES = 200


@pytest.fixture
def upload(send: Send) -> Upload:
    return send()


def finish(upload: Upload, *, name: str | None = None, error: str = "") -> Delivery:
    """Let an upload be ready, or fail, and return its mail."""
    upload.status, upload.filename = ("failed" if error else "ready"), name or upload.filename
    upload.save()
    if error:
        event = announce(upload, Event.Name.FAILED, code="unreadable_image", detail=error)
    else:
        event = announce(upload, Event.Name.READY)
    assert event is not None
    return event.deliveries.get(channel="email")


def make_batch(upload: Upload, count: int) -> list[Delivery]:
    """Return the mails for this number of ready uploads of one owner."""
    # An owner may upload the same original again after deleting the previous upload.
    Upload.objects.filter(pk=upload.pk).update(deleted_at=timezone.now())
    uploads = [
        Upload(owner=upload.owner, original=upload.original, filename=f"{n}.jpg", deleted_at=timezone.now())
        for n in range(count)
    ]
    return [finish(one) for one in Upload.objects.bulk_create(uploads)]


def pass_time(seconds: float) -> None:
    """Move all mails back by some seconds."""
    for delivery in Delivery.objects.filter(channel="email"):
        delivery.created_at -= timedelta(seconds=seconds)
        delivery.save()


def send_due() -> None:
    for delivery in schedule.due():
        schedule.deliver(str(delivery.pk))


@pytest.mark.slow
def test_two_hundred_uploads_send_one_mail(inbox: Inbox, upload: Upload) -> None:
    mails = make_batch(upload, IMAGES)
    pass_time(10)
    assert email.gather() == IMAGES
    send_due()
    (message,) = inbox.messages
    assert message["Subject"] == f"{IMAGES} images are ready"
    assert message["Message-ID"] == f"<{mails[0].pk}@127.0.0.1>"
    text = body_of(message)
    assert text.count(".jpg is ready\n") == 100
    assert "- 0.jpg is ready\n- 1.jpg is ready\n" in text
    assert "- and 100 more\n" in text
    assert not Delivery.objects.filter(channel="email", delivered_at=None).exists()
    assert email.gather() == 0


def test_failures_are_listed_first_with_their_reasons(
    inbox: Inbox, send: Send, make_image: MakeImage
) -> None:
    finish(send(make_image(seed=1)), name="sea\r\n.jpg")
    finish(send(make_image(seed=2)), name="cut.jpg", error="It is <damaged> & incomplete.")
    pass_time(10)
    email.gather()
    send_due()
    (message,) = inbox.messages
    assert message["Subject"] == "1 image is ready, 1 image could not be processed"
    assert body_of(message).startswith(
        "1 image is ready, 1 image could not be processed.\n\n"
        "- cut.jpg could not be processed\n  It is <damaged> & incomplete.\n- sea .jpg is ready\n\n"
    )


def test_digest_of_one_notice_is_a_plain_mail(inbox: Inbox, upload: Upload) -> None:
    mail = finish(upload, name="sea.jpg")
    pass_time(10)
    email.gather()
    send_due()
    (message,) = inbox.messages
    assert message["Subject"] == "1 image is ready"
    assert body_of(message).startswith("sea.jpg is ready.\n")
    assert f"/#upload-{upload.pk}" in body_of(message)
    assert message["Message-ID"] == f"<{mail.pk}@127.0.0.1>"


def test_repeated_mail_is_identical(inbox: Inbox, upload: Upload) -> None:
    make_batch(upload, 3)
    pass_time(10)
    email.gather()
    inbox.answer = "451 come back later"
    with pytest.raises(schedule.DeliveryFailed):
        send_due()
    make_batch(upload, 2)
    inbox.answer = "250 taken"
    Delivery.objects.filter(attempts=1).update(next_attempt_at=timezone.now())
    send_due()
    head = Delivery.objects.get(attempts=2)
    # The server accepted the mail, but the worker was killed before it recorded that.
    Delivery.objects.filter(digest=head).update(delivered_at=None)
    Delivery.objects.filter(pk=head.pk).update(next_attempt_at=timezone.now(), queued_at=None)
    send_due()
    first, second = inbox.messages
    assert first["Message-ID"] == second["Message-ID"] == f"<{head.pk}@127.0.0.1>"
    assert first["Subject"] == second["Subject"] == "3 images are ready"
    assert body_of(first) == body_of(second)


def test_second_batch_sends_a_second_mail(inbox: Inbox, upload: Upload) -> None:
    for count in (2, 3):
        make_batch(upload, count)
        pass_time(10)
        email.gather()
        send_due()
    assert [message["Subject"] for message in inbox.messages] == ["2 images are ready", "3 images are ready"]


def test_batch_is_not_finished_right_after_an_upload(upload: Upload) -> None:
    finish(upload)
    pass_time(8)
    assert email.gather() == 0


def test_unfinished_upload_holds_the_batch_for_an_hour(
    inbox: Inbox, send: Send, make_image: MakeImage
) -> None:
    finish(send(make_image(seed=1)))
    send(make_image(seed=2))
    pass_time(3590)
    assert email.gather() == 0
    pass_time(10)
    assert email.gather() == 1
    send_due()
    assert len(inbox.messages) == 1


@pytest.mark.parametrize("unimportant", ["bulk", "deleted", "another person's"])
def test_unrelated_upload_does_not_hold_the_batch(
    send: Send, make_image: MakeImage, stranger: User, unimportant: str
) -> None:
    finish(send(make_image(seed=1)))
    other = send(make_image(seed=2), by=stranger if unimportant == "another person's" else None)
    if unimportant == "bulk":
        Upload.objects.filter(pk=other.pk).update(bulk=True)
    if unimportant == "deleted":
        services.delete_upload(upload=other)
    pass_time(10)
    assert email.gather() == 1


def test_each_owner_gets_a_separate_digest(inbox: Inbox, send: Send, stranger: User) -> None:
    finish(send(name="hers.jpg"), name="hers.jpg")
    finish(send(by=stranger, name="his.jpg"), name="his.jpg")
    pass_time(10)
    email.gather()
    send_due()
    lines = {message["To"]: body_of(message).splitlines()[0] for message in inbox.messages}
    assert lines == {"ada@example.com": "hers.jpg is ready.", "bob@example.com": "his.jpg is ready."}


def test_owner_who_turned_mail_off_gets_none(inbox: Inbox, upload: Upload, owner: User) -> None:
    make_batch(upload, 2)
    preferences.choose_email(person=owner, choice="none")
    pass_time(10)
    email.gather()
    send_due()
    assert inbox.messages == []
    assert not Delivery.objects.filter(channel="email").exists()
    assert Delivery.objects.filter(channel="in_app").count() == 2


def test_failed_digest_fails_all_its_deliveries(inbox: Inbox, upload: Upload) -> None:
    make_batch(upload, 3)
    pass_time(10)
    email.gather()
    Delivery.objects.filter(next_attempt_at__isnull=False).update(attempts=79)
    inbox.answer = "451 come back later"
    with pytest.raises(schedule.DeliveryFailed):
        send_due()
    assert Delivery.objects.filter(channel="email", failed_at=None).count() == 0
    assert email.gather() == 0
    assert not schedule.due().exists()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_concurrent_sweeps_create_one_digest(inbox: Inbox, upload: Upload) -> None:
    make_batch(upload, 20)
    pass_time(10)
    assert sum(at_once(*[email.gather] * 4)) == 20
    heads = [str(delivery.pk) for delivery in schedule.due()]
    assert len(heads) == 1
    at_once(*[partial(schedule.deliver, heads[0])] * 4)
    assert [message["Subject"] for message in inbox.messages] == ["20 images are ready"]


@pytest.fixture
def german(owner: User) -> User:
    preferences.choose_language(person=owner, language="de")
    return owner


@pytest.mark.usefixtures("german")
def test_digest_is_in_the_language_of_the_owner(inbox: Inbox, send: Send, make_image: MakeImage) -> None:
    finish(send())
    finish(send(make_image(seed=1)), name="sea.png", error="sea.png is damaged.")
    pass_time(10)
    email.gather()
    send_due()
    (message,) = inbox.messages
    assert message["Subject"] == "1 Bild ist fertig, 1 Bild konnte nicht verarbeitet werden"
    text = body_of(message)
    assert "- photo.jpg ist fertig\n" in text
    # The stored detail of the failure is English. The mail translates its code.
    assert "- sea.png konnte nicht verarbeitet werden\n  Die Datei ist beschädigt oder unvollständig." in text
    assert "Bilder öffnen:" in text


@pytest.mark.usefixtures("german")
def test_single_mail_is_in_the_language_of_the_owner(inbox: Inbox, upload: Upload) -> None:
    finish(upload)
    pass_time(10)
    email.gather()
    send_due()
    (message,) = inbox.messages
    assert message["Subject"] == "1 Bild ist fertig"
    assert body_of(message).startswith("photo.jpg ist fertig.\n")
    assert "Bild öffnen:" in body_of(message)
    assert get_language() == "en"
