"""Deliveries: sent at least once under a stable id, by the first process that claims them."""

import smtplib
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NoReturn

import pytest
from django.core import mail
from django.utils import timezone

from deploy.ports import any_free_port
from tests.conftest import Send
from tests.inbox import Inbox, body_of
from tests.threads import at_once
from uploads import broker
from uploads.models import Delivery, Event, Upload
from uploads.notices import outbox, schedule
from uploads.notices.announcements import announce

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("each")]


@pytest.fixture
def email(send: Send) -> Delivery:
    """Return an email that is due."""
    return make_email(send())


def make_email(upload: Upload, name: Event.Name = Event.Name.READY, **data: str) -> Delivery:
    event = announce(upload, name, **data)
    assert event is not None
    return event.deliveries.get(channel="email")


def break_mail(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let every attempt to send a mail fail."""

    def break_off(_delivery: Delivery) -> NoReturn:
        raise error

    channel = schedule._CHANNELS[Delivery.Channel.EMAIL]
    monkeypatch.setitem(schedule._CHANNELS, Delivery.Channel.EMAIL, replace(channel, send=break_off))


def test_mail_server_receives_one_mail_with_a_stable_id(inbox: Inbox, email: Delivery) -> None:
    schedule.deliver(str(email.pk))
    schedule.deliver(str(email.pk))
    (message,) = inbox.messages
    assert message["Message-ID"] == f"<{email.pk}@127.0.0.1>"
    assert message["To"] == "ada@example.com"
    assert message["Subject"] == "1 image is ready"
    assert body_of(message).startswith("photo.jpg is ready.\n")
    assert f"/#upload-{email.event.upload_id}" in body_of(message)
    email.refresh_from_db()
    assert email.delivered_at is not None
    assert (email.attempts, email.next_attempt_at, email.last_error) == (1, None, "")


def test_mail_about_a_failure_contains_its_reason(inbox: Inbox, send: Send) -> None:
    email = make_email(
        send(), Event.Name.FAILED, code="unreadable_image", detail="It is <damaged> & incomplete."
    )
    schedule.deliver(str(email.pk))
    (message,) = inbox.messages
    assert message["Subject"] == "1 image could not be processed"
    assert "It is <damaged> & incomplete." in body_of(message)


@pytest.mark.parametrize(
    ("filename", "line"),
    [
        ("a\r\nBcc: everybody@example.com\n.jpg", "a Bcc: everybody@example.com .jpg is ready"),
        ("a\x85b\u2028c\x0bd\x1ce.jpg", "a b c d e.jpg is ready"),
        ("ü 😀.jpg", "ü 😀.jpg is ready"),
        ("x" * 255, "x" * 255 + " is ready"),
    ],
)
def test_unusual_file_name_is_one_line_of_the_body(
    inbox: Inbox, send: Send, filename: str, line: str
) -> None:
    upload = send()
    upload.filename = filename
    schedule.deliver(str(make_email(upload).pk))
    (message,) = inbox.messages
    assert message["Subject"] == "1 image is ready"
    assert body_of(message).startswith(f"{line}.\n")
    assert "Bcc" not in message


def test_refused_mail_is_retried_with_growing_delays(
    inbox: Inbox, email: Delivery, stopped_clock: datetime
) -> None:
    inbox.answer = "451 come back later"
    delays = []
    for attempt in (1, 2, 3):
        with pytest.raises(schedule.DeliveryFailed, match="come back later"):
            schedule.deliver(str(email.pk))
        email.refresh_from_db()
        assert (email.attempts, email.delivered_at) == (attempt, None)
        assert email.next_attempt_at is not None
        assert "come back later" in email.last_error
        delays.append((email.next_attempt_at - stopped_clock).total_seconds())
        Delivery.objects.filter(pk=email.pk).update(next_attempt_at=stopped_clock)
    assert delays == [10, 20, 40]
    inbox.answer = "250 taken"
    schedule.deliver(str(email.pk))
    assert [message["Message-ID"] for message in inbox.messages] == [f"<{email.pk}@127.0.0.1>"]


def test_delay_is_at_most_an_hour(email: Delivery, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", any_free_port()
    Delivery.objects.update(attempts=60)
    with pytest.raises(schedule.DeliveryFailed):
        schedule.deliver(str(email.pk))
    email.refresh_from_db()
    assert email.next_attempt_at is not None
    assert email.next_attempt_at - timezone.now() <= timedelta(hours=1)


def test_mail_is_not_sent_before_it_is_due(email: Delivery) -> None:
    Delivery.objects.update(next_attempt_at=timezone.now() + timedelta(seconds=5))
    schedule.deliver(str(email.pk))
    assert mail.outbox == []


def test_deleted_notice_is_not_sent(email: Delivery) -> None:
    key = str(email.pk)
    email.delete()
    schedule.deliver(key)
    assert mail.outbox == []


def test_mail_of_a_dead_worker_is_sent_a_minute_later(
    email: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        break_mail(patch, SystemExit())
        with pytest.raises(SystemExit):
            schedule.deliver(str(email.pk))
    assert not schedule.due().exists()
    Delivery.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    Delivery.objects.update(queued_at=timezone.now() - timedelta(seconds=61))
    assert schedule.due().get() == email
    schedule.deliver(str(email.pk))
    assert len(mail.outbox) == 1


class TestDue:
    def test_unqueued_delivery_is_due(self, email: Delivery) -> None:
        assert schedule.due().get() == email

    def test_queued_delivery_is_not_due(self, email: Delivery) -> None:
        outbox.publish(email)
        assert not schedule.due().exists()

    def test_delivery_with_a_lost_message_is_due(self, email: Delivery) -> None:
        Delivery.objects.update(
            queued_at=timezone.now() - timedelta(seconds=301),
            next_attempt_at=timezone.now() - timedelta(seconds=302),
        )
        assert schedule.due().get() == email

    def test_delivery_is_due_at_its_next_attempt(self, email: Delivery) -> None:
        now = timezone.now()
        Delivery.objects.update(
            queued_at=now - timedelta(seconds=20), next_attempt_at=now - timedelta(seconds=1)
        )
        assert schedule.due().get() == email

    def test_delivery_is_not_due_before_its_next_attempt(self, email: Delivery) -> None:
        Delivery.objects.update(next_attempt_at=timezone.now() + timedelta(seconds=1))
        assert not schedule.due().exists()

    def test_finished_delivery_is_not_due(self, email: Delivery) -> None:
        Delivery.objects.update(delivered_at=timezone.now(), next_attempt_at=None)
        assert not schedule.due().exists()


@pytest.mark.django_db(transaction=True)
def test_concurrent_workers_send_once(send: Send, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "publish", lambda _message: True)
    email = make_email(send())
    at_once(*[partial(schedule.deliver, str(email.pk))] * 4)
    assert len(inbox.messages) == 1
    email.refresh_from_db()
    assert email.attempts == 1


def test_closed_connection_is_a_failed_delivery(email: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    break_mail(monkeypatch, smtplib.SMTPServerDisconnected("gone"))
    with pytest.raises(schedule.DeliveryFailed, match="gone"):
        schedule.deliver(str(email.pk))


class TestLastAttempt:
    def test_mail_fails_after_eighty_attempts_in_three_days(
        self, email: Delivery, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        break_mail(monkeypatch, OSError("away"))
        waited = timedelta()
        while email.failed_at is None:
            with pytest.raises(schedule.DeliveryFailed):
                schedule.deliver(str(email.pk))
            email.refresh_from_db()
            if email.next_attempt_at is not None:
                waited += email.next_attempt_at - timezone.now()
                Delivery.objects.update(next_attempt_at=timezone.now())
        assert (email.attempts, email.next_attempt_at, email.delivered_at) == (80, None, None)
        assert email.last_error == "away"
        assert timedelta(days=2.9) < waited < timedelta(days=3.1)
        assert not schedule.due().exists()

    def test_mail_fails_if_each_attempt_kills_its_worker(
        self, email: Delivery, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        break_mail(monkeypatch, SystemExit())
        Delivery.objects.update(attempts=79)
        with pytest.raises(SystemExit):
            schedule.deliver(str(email.pk))
        email.refresh_from_db()
        assert email.failed_at is not None
        assert email.next_attempt_at is None

    def test_last_attempt_can_succeed(self, email: Delivery) -> None:
        Delivery.objects.update(attempts=79)
        schedule.deliver(str(email.pk))
        email.refresh_from_db()
        assert email.delivered_at is not None
        assert (email.attempts, email.failed_at) == (80, None)
