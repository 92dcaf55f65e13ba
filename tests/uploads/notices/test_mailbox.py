"""Notices are mailed to verified addresses only, and to each person only so often a day."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from tests.conftest import MakeImage
from tests.threads import at_once
from uploads import completion
from uploads.models import Delivery, Endpoint, Preferences, Upload
from uploads.notices import email, endpoints, mailbox, preferences, schedule
from uploads.notices.webhooks import NotTaken

pytestmark = pytest.mark.django_db

VERIFIED: set[str] = set()


def verified_address(person: User) -> str:
    return person.email if person.username in VERIFIED else ""


@pytest.fixture(autouse=True)
def _verification(settings: Any, started: list[Upload]) -> None:
    VERIFIED.clear()
    path = f"{__name__}.verified_address"
    settings.DARKROOM = {**settings.DARKROOM, "NOTICE_ADDRESS": path, "EMAILS_PER_DAY": 3}


@pytest.fixture
def sent(person: User, make_image: MakeImage) -> Callable[[int], None]:
    """Return a function that uploads images over HTTP and processes them."""
    client = Client()
    client.force_login(person)

    def send(count: int) -> None:
        for _ in range(count):
            seed = Upload.objects.count()
            picture = SimpleUploadedFile(
                f"buy-now-{seed}.jpg", make_image(seed=seed, width=40, height=30), "image/jpeg"
            )
            answer = client.post("/api/uploads/", {"file": picture})
            assert answer.status_code == 201
            completion.run_here(Upload.objects.get(pk=answer.json()["id"]))

    return send


def send_due() -> None:
    for delivery in schedule.due():
        schedule.deliver(str(delivery.pk))


def end_batch() -> None:
    Delivery.objects.filter(channel="email").update(created_at=timezone.now() - timedelta(minutes=1))
    email.gather()


@pytest.mark.slow
def test_unverified_address_gets_no_mail_and_the_page_has_every_notice(
    person: User, sent: Callable[[int], None]
) -> None:
    preferences.choose_email(person=person, choice="each")
    sent(6)
    send_due()
    assert mail.outbox == []
    assert not Delivery.objects.filter(channel="email").exists()
    assert Delivery.objects.filter(channel="in_app").count() == 6


def test_address_that_lost_its_verification_gets_no_mail(person: User, sent: Callable[[int], None]) -> None:
    VERIFIED.add("ada")
    preferences.choose_email(person=person, choice="each")
    sent(1)
    VERIFIED.clear()
    with pytest.raises(schedule.DeliveryFailed, match="no verified email address"):
        send_due()
    assert mail.outbox == []
    # The next attempt follows, in case the person verifies the address again.
    VERIFIED.add("ada")
    Delivery.objects.filter(channel="email").update(next_attempt_at=timezone.now())
    send_due()
    assert [message.to for message in mail.outbox] == [["ada@example.org"]]


@pytest.mark.slow
def test_mails_beyond_the_limit_wait_for_the_digest_of_the_next_day(
    person: User, sent: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    VERIFIED.add("ada")
    preferences.choose_email(person=person, choice="each")
    sent(6)
    end_batch()
    send_due()
    assert len(mail.outbox) == 3
    assert Delivery.objects.filter(channel="in_app").count() == 6
    tomorrow = timezone.now() + timedelta(days=1)
    monkeypatch.setattr(timezone, "now", lambda: tomorrow)
    end_batch()
    send_due()
    assert [message.subject for message in mail.outbox[3:]] == ["3 images are ready"]
    assert not Delivery.objects.filter(channel="email", delivered_at=None).exists()


def test_digests_count_against_the_limit_too(person: User, sent: Callable[[int], None]) -> None:
    VERIFIED.add("ada")
    for _ in range(5):
        sent(1)
        end_batch()
    send_due()
    assert len(mail.outbox) == 3
    assert Delivery.objects.filter(channel="email", delivered_at=None).count() == 2


def test_no_subject_contains_a_text_of_the_sender(
    person: User, sent: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    VERIFIED.add("ada")
    preferences.choose_email(person=person, choice="each")
    sent(1)
    endpoint = endpoints.add(owner=person, url="https://buy-now.example/")
    endpoints.note_failure(endpoint.pk, NotTaken("gone", gone=True))
    send_due()
    assert [message.subject for message in mail.outbox] == ["1 image is ready", "A webhook is disabled"]
    assert "buy-now-0.jpg is ready" in mail.outbox[0].body
    assert "https://buy-now.example/" in mail.outbox[1].body


def test_notice_about_a_webhook_stays_on_the_page_beyond_the_limit(person: User) -> None:
    VERIFIED.add("ada")
    for number in range(5):
        endpoint = endpoints.add(owner=person, url=f"https://example.com/{number}")
        endpoints.note_failure(endpoint.pk, NotTaken("gone", gone=True))
    assert Endpoint.objects.filter(disabled_at=None).count() == 0
    send_due()
    assert len(mail.outbox) == 3
    assert Delivery.objects.filter(channel="in_app").count() == 5


@pytest.mark.django_db(transaction=True)
def test_concurrent_mails_do_not_exceed_the_limit(person: User) -> None:
    assert sorted(at_once(*[lambda: mailbox.take_one(person)] * 8)) == [False] * 5 + [True] * 3


def test_count_starts_again_each_day_and_zero_is_no_limit(
    person: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [mailbox.take_one(person) for _ in range(4)] == [True, True, True, False]
    tomorrow = timezone.now() + timedelta(days=1)
    with monkeypatch.context() as later:
        later.setattr(timezone, "now", lambda: tomorrow)
        assert mailbox.take_one(person)
    settings.DARKROOM = {**settings.DARKROOM, "EMAILS_PER_DAY": 0}
    assert all(mailbox.take_one(person) for _ in range(9))
    assert Preferences.objects.get().email == "digest"


def test_without_the_setting_the_address_of_the_user_is_used(person: User, settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "NOTICE_ADDRESS": ""}
    assert mailbox.address_of(person) == "ada@example.org"
