"""The retention ends what is old, in batches, and keeps what an upload's page shows."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from tests.conftest import Send
from uploads import services
from uploads.models import Delivery, Endpoint, Event, Token, Upload, Verdict
from uploads.notices import endpoints
from uploads.pages.image import timeline
from uploads.upkeep import retention

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
AGES = {"NOTICE_AGE": 30, "DELIVERY_AGE": 10, "EVENT_AGE": 60}
Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def _days(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep notices for 30 days, deliveries for 10 and events for 60, and remove two rows at once."""
    ages = {name: days * 24 * 3600 for name, days in AGES.items()}
    settings.DARKROOM = {**settings.DARKROOM, **ages}
    monkeypatch.setattr(retention, "_BATCH", 2)


def end_twice() -> None:
    assert retention.end_records()
    assert retention.end_records()


@pytest.fixture
def event(owner: User) -> Make:
    def make(days: float, name: Event.Name = Event.Name.WEBHOOK_TEST, upload: Upload | None = None) -> Event:
        at = timezone.now() - days * DAY
        return Event.objects.create(owner=owner, upload=upload, name=name, created_at=at)

    return make


@pytest.fixture
def delivery(event: Make) -> Make:
    def make(days: float, channel: str, **fields: Any) -> Delivery:
        at = timezone.now() - days * DAY
        return Delivery.objects.create(event=event(days), channel=channel, created_at=at, **fields)

    return make


@pytest.fixture
def endpoint(owner: User) -> Endpoint:
    return endpoints.add(owner=owner, url="https://example.com/")


@pytest.mark.parametrize("read", [True, False])
def test_old_notice_ends(read: bool, delivery: Make) -> None:
    old = [delivery(31, "in_app", read_at=timezone.now() if read else None) for _ in range(5)]
    new = delivery(29, "in_app")
    end_twice()
    assert list(Delivery.objects.all()) == [new]
    # Their events are not old yet.
    assert Event.objects.count() == len(old) + 1


@pytest.mark.parametrize("state", ["delivered_at", "failed_at", "next_attempt_at", "held"])
def test_old_delivery_ends_in_any_state(state: str, delivery: Make, endpoint: Endpoint) -> None:
    fields = {} if state == "held" else {state: timezone.now()}
    for days in (11, 9):
        delivery(days, "email", **fields)
        delivery(days, "webhook", endpoint=endpoint, **fields)
        delivery(days, "in_app")
    end_twice()
    assert Delivery.objects.filter(channel="in_app").count() == 2
    rest = Delivery.objects.exclude(channel="in_app")
    assert {one.channel for one in rest} == {"email", "webhook"}
    assert all(one.created_at > timezone.now() - 10 * DAY for one in rest)


def test_digest_ends_as_a_whole(delivery: Make) -> None:
    for first, size in ((11, 6), (9, 3)):
        head = delivery(first, "email")
        Delivery.objects.filter(pk=head.pk).update(digest=head)
        for _ in range(size):
            delivery(first - 2, "email", digest=head)
    end_twice()
    (head,) = set(Delivery.objects.values_list("digest", flat=True))
    assert Delivery.objects.filter(digest=head).count() == 4


def test_event_without_an_upload_ends_after_its_deliveries(delivery: Make, event: Make) -> None:
    for _ in range(5):
        event(61)
    kept = event(59)
    noticed = delivery(61, "in_app")
    Delivery.objects.filter(pk=noticed.pk).update(created_at=timezone.now() - 20 * DAY)
    end_twice()
    assert set(Event.objects.all()) == {kept, noticed.event}
    Delivery.objects.update(created_at=timezone.now() - 31 * DAY)
    end_twice()
    assert list(Event.objects.all()) == [kept]


def test_upload_keeps_what_its_page_shows(send: Send, event: Make) -> None:
    upload = send()
    once = [event(300 - number, name, upload) for number, name in enumerate(
        (Event.Name.THUMBNAILS_READY, Event.Name.READY, Event.Name.FAILED)
    )]  # fmt: skip
    repeated = [
        event(200 - number, name, upload)
        for number in range(5)
        for name in (Event.Name.REPROCESSED, Event.Name.DELETED, Event.Name.RESTORED)
    ]
    new = [event(days, Event.Name.REPROCESSED, upload) for days in (59, 58)]
    end_twice()
    kept = set(Event.objects.filter(upload=upload).exclude(name=Event.Name.RECEIVED))
    assert kept == {*once, *repeated[-2:], *new}
    assert len(timeline(upload)) == len(kept)


def test_events_of_a_purged_upload_end(owner: User, send: Send) -> None:
    upload = send()
    Event.objects.update(created_at=timezone.now() - 61 * DAY)
    end_twice()
    assert Event.objects.filter(upload=upload).exists()
    services.purge_upload(owner=owner, upload_id=upload.pk)
    end_twice()
    assert [one.name for one in Event.objects.all()] == [Event.Name.DELETED]


def test_run_ends_when_its_time_is_up(delivery: Make, settings: Any) -> None:
    for _ in range(5):
        delivery(31, "in_app")
    settings.DARKROOM = {**settings.DARKROOM, "STEP_TIME_LIMIT": 0}
    left = []
    while not retention.end_records():
        left.append(Delivery.objects.count())
    assert left == [3, 1, 0]


def test_sessions_end_in_batches(owner: User) -> None:
    for age in (-2, -1, -1, -1, -1, 1, 2):
        session = SessionStore()
        session["_auth_user_id"] = str(owner.pk if age < 2 else owner.pk + 1)
        session.set_expiry(timezone.now() + age * DAY)
        session.save()
    anonymous = SessionStore()
    anonymous["language"] = "de"
    anonymous.save()
    for _ in range(2):
        assert retention.end_sessions()
        kept = [session.get_decoded() for session in Session.objects.all()]
        assert {data.get("_auth_user_id") for data in kept} == {str(owner.pk), None}
        assert len(kept) == 2


@pytest.mark.parametrize(
    ("passed", "days", "left"), [(True, 2, 0), (True, 0.5, 1), (False, 999, 1)], ids=["old", "new", "refused"]
)
def test_verdict_ends_with_its_original_if_it_was_passed(passed: bool, days: float, left: int) -> None:
    Verdict.objects.bulk_create(
        Verdict(content_hash=f"{number:064x}", passed=passed, decided_at=timezone.now() - days * DAY)
        for number in range(5)
    )
    end_twice()
    assert Verdict.objects.count() == 5 * left


def test_verdict_on_an_original_stays(send: Send) -> None:
    content_hash = send().original.content_hash
    Verdict.objects.create(content_hash=content_hash, passed=True, decided_at=timezone.now() - 99 * DAY)
    end_twice()
    assert Verdict.objects.count() == 1


def test_token_ends_long_after_it_has_expired(owner: User) -> None:
    for number, days in enumerate((61, 59, -1)):
        at = timezone.now() - days * DAY
        Token.objects.create(owner=owner, name=str(days), scope="all", digest=str(number), expires_at=at)
    lasting = Token.objects.create(owner=owner, name="lasting", scope="all", digest="lasting")
    end_twice()
    assert set(Token.objects.values_list("name", flat=True)) == {"59", "-1", lasting.name}
