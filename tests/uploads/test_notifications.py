"""Notices: delivered at least once, under a stable id, by whoever claims them first."""

import smtplib
import socket
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.core import mail
from django.utils import timezone

from tests.conftest import Send
from tests.threads import at_once
from uploads import events, notifications, tasks
from uploads.models import Delivery, Event, Upload

pytestmark = pytest.mark.django_db


class Inbox:
    """A mail server's handler: it keeps what comes, or answers as it is told."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.answer = "250 taken"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        if self.answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            message = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.messages.append(message)
        return self.answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def inbox(settings: Any) -> Iterator[Inbox]:
    """Return the inbox of a real mail server, to which mail is sent in this test."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    inbox = Inbox()
    controller = Controller(inbox, hostname=settings.EMAIL_HOST, port=settings.EMAIL_PORT)
    controller.start()
    yield inbox
    controller.stop()


@pytest.fixture
def email(send: Send) -> Delivery:
    """Return an email that is to be sent."""
    return make_email(send())


def make_email(upload: Upload, name: Event.Name = Event.Name.READY, **data: str) -> Delivery:
    event = events.record(upload, name, **data)
    assert event is not None
    return event.deliveries.get(channel="email")


def body_of(message: EmailMessage) -> str:
    part = message.get_body()
    assert part is not None
    return str(part.get_content())


def test_a_real_server_receives_one_mail_with_a_stable_id(inbox: Inbox, email: Delivery) -> None:
    notifications.deliver(str(email.pk))
    notifications.deliver(str(email.pk))
    (message,) = inbox.messages
    assert message["Message-ID"] == f"<{email.pk}@darkroom>"
    assert message["To"] == "ada@example.com"
    assert message["Subject"] == "photo.jpg is ready"
    assert f"/#upload-{email.event.upload_id}" in body_of(message)
    email.refresh_from_db()
    assert email.delivered_at is not None
    assert (email.attempts, email.next_attempt_at, email.last_error) == (1, None, "")


def test_a_failure_is_told_with_its_reason(inbox: Inbox, send: Send) -> None:
    email = make_email(
        send(), Event.Name.FAILED, code="unreadable_image", detail="It is <damaged> & incomplete."
    )
    notifications.deliver(str(email.pk))
    (message,) = inbox.messages
    assert message["Subject"] == "photo.jpg could not be processed"
    assert "It is <damaged> & incomplete." in body_of(message)


@pytest.mark.parametrize(
    ("filename", "subject"),
    [
        ("a\r\nBcc: everybody@example.com\n.jpg", "a Bcc: everybody@example.com .jpg is ready"),
        ("a\x85b\u2028c\x0bd\x1ce.jpg", "a b c d e.jpg is ready"),
        ("ü 😀.jpg", "ü 😀.jpg is ready"),
        ("x" * 255, "x" * 255 + " is ready"),
    ],
)
def test_an_odd_file_name_is_safe_in_the_subject(
    inbox: Inbox, send: Send, filename: str, subject: str
) -> None:
    upload = send()
    upload.filename = filename
    notifications.deliver(str(make_email(upload).pk))
    (message,) = inbox.messages
    # A long subject is folded before its first word.
    assert message["Subject"].strip() == subject
    assert "Bcc" not in message


def test_a_server_that_refuses_is_asked_again_later_and_later(inbox: Inbox, email: Delivery) -> None:
    inbox.answer = "451 come back later"
    delays = []
    for attempt in (1, 2, 3):
        with pytest.raises(notifications.DeliveryFailed, match="come back later"):
            notifications.deliver(str(email.pk))
        email.refresh_from_db()
        assert (email.attempts, email.delivered_at) == (attempt, None)
        assert email.next_attempt_at is not None
        assert "come back later" in email.last_error
        delays.append(round((email.next_attempt_at - timezone.now()).total_seconds()))
        Delivery.objects.filter(pk=email.pk).update(next_attempt_at=timezone.now())
    assert delays == [10, 20, 40]
    inbox.answer = "250 taken"
    notifications.deliver(str(email.pk))
    assert [message["Message-ID"] for message in inbox.messages] == [f"<{email.pk}@darkroom>"]


def test_the_delay_is_an_hour_at_most(email: Delivery, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    Delivery.objects.update(attempts=60)
    with pytest.raises(notifications.DeliveryFailed):
        notifications.deliver(str(email.pk))
    email.refresh_from_db()
    assert email.next_attempt_at is not None
    assert email.next_attempt_at - timezone.now() <= timedelta(hours=1)


def test_what_is_not_due_yet_is_not_sent(email: Delivery) -> None:
    Delivery.objects.update(next_attempt_at=timezone.now() + timedelta(seconds=5))
    notifications.deliver(str(email.pk))
    assert mail.outbox == []


def test_a_notice_that_is_gone_is_not_sent(email: Delivery) -> None:
    key = str(email.pk)
    email.delete()
    notifications.deliver(key)
    assert mail.outbox == []


def test_a_worker_that_dies_leaves_it_to_be_sent_a_minute_later(
    email: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_delivery: Delivery) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setitem(notifications._CHANNELS, "email", die)
        with pytest.raises(SystemExit):
            notifications.deliver(str(email.pk))
    assert not notifications.due().exists()
    Delivery.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    Delivery.objects.update(queued_at=timezone.now() - timedelta(seconds=61))
    assert notifications.due().get() == email
    notifications.deliver(str(email.pk))
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("name", [Event.Name.RECEIVED, Event.Name.THUMBNAILS_READY, Event.Name.DELETED])
def test_other_events_have_no_notice(send: Send, name: Event.Name) -> None:
    events.record(send(), name)
    assert not Delivery.objects.exists()


class TestDue:
    def test_a_new_one_that_was_not_queued(self, email: Delivery) -> None:
        assert notifications.due().get() == email

    def test_not_one_that_is_in_the_queue(self, email: Delivery) -> None:
        notifications.mark_queued(email)
        assert not notifications.due().exists()

    def test_one_whose_message_was_lost(self, email: Delivery) -> None:
        Delivery.objects.update(
            queued_at=timezone.now() - timedelta(seconds=301),
            next_attempt_at=timezone.now() - timedelta(seconds=302),
        )
        assert notifications.due().get() == email

    def test_one_whose_next_attempt_has_come(self, email: Delivery) -> None:
        now = timezone.now()
        Delivery.objects.update(
            queued_at=now - timedelta(seconds=20), next_attempt_at=now - timedelta(seconds=1)
        )
        assert notifications.due().get() == email

    def test_not_one_whose_time_has_not_come(self, email: Delivery) -> None:
        Delivery.objects.update(next_attempt_at=timezone.now() + timedelta(seconds=1))
        assert not notifications.due().exists()

    def test_not_one_that_is_delivered(self, email: Delivery) -> None:
        Delivery.objects.update(delivered_at=timezone.now(), next_attempt_at=None)
        assert not notifications.due().exists()


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_send_once(send: Send, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "publish", lambda _message: True)
    email = make_email(send())
    at_once(*[partial(notifications.deliver, str(email.pk))] * 4)
    assert len(inbox.messages) == 1
    email.refresh_from_db()
    assert email.attempts == 1


def test_a_closed_connection_is_no_bug_of_ours(email: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang_up(*_arguments: object, **_options: object) -> None:
        raise smtplib.SMTPServerDisconnected("gone")

    monkeypatch.setitem(notifications._CHANNELS, "email", hang_up)
    with pytest.raises(notifications.DeliveryFailed, match="gone"):
        notifications.deliver(str(email.pk))
