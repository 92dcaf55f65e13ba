"""After the database's clock was set back, no time of before keeps work waiting for as long as the step."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from processing import leases
from processing.models import Lease
from tests.conftest import MakeImage, Send
from uploads import services
from uploads.models import Delivery, Endpoint, Event, Heartbeat, Upload
from uploads.notices import endpoints
from uploads.notices.announcements import announce
from uploads.upkeep import recurring, set_back, sweeper

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def upload(send: Send, stopped_clock: datetime) -> Upload:
    """Return an upload that was sent and queued by a clock that is an hour ahead, with a held lease."""
    upload = send()
    Upload.objects.update(created_at=stopped_clock + HOUR, queued_at=stopped_clock + HOUR)
    upload.steps.create(name="generate_thumbnails", started_at=stopped_clock + HOUR)
    Lease.objects.create(
        original=upload.original,
        step="generate_thumbnails",
        token=uuid4(),
        expires_at=stopped_clock + HOUR + leases.duration(),
    )
    return upload


def later(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(timezone, "now", lambda: moment)


def test_sweeper_notices_it_by_its_own_heartbeat(
    upload: Upload, stopped_clock: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    Heartbeat.objects.create(name="sweep", at=stopped_clock + HOUR)
    recurring.sweep()
    assert Heartbeat.objects.get(name="sweep").at == stopped_clock
    # The worker of the lease is dead, so another one goes on when it expires.
    later(monkeypatch, stopped_clock + leases.duration() + timedelta(seconds=1))
    assert sweeper.standing_still(drained=[]).count() == 1


@pytest.mark.parametrize("seconds", [-5, 0, 4])
def test_usual_heartbeat_corrects_nothing(
    upload: Upload, stopped_clock: datetime, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    monkeypatch.setattr(set_back, "correct", lambda now: pytest.fail("needless"))
    Heartbeat.objects.create(name="sweep", at=stopped_clock + timedelta(seconds=seconds))
    recurring.sweep()


def test_lost_message_is_noticed(
    upload: Upload, stopped_clock: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    Lease.objects.all().delete()
    set_back.correct(stopped_clock)
    later(monkeypatch, stopped_clock + timedelta(seconds=6))
    assert sweeper.standing_still(drained=sweeper.LANES).count() == 1


def test_upload_from_the_future_overtakes_no_other(
    upload: Upload, stopped_clock: datetime, send: Send, make_image: MakeImage
) -> None:
    """Otherwise the sweeper would publish all waiting uploads at every sweep."""
    Upload.objects.update(status="ready", next_step="resize_image")
    waiting = send(make_image(seed=1))
    Upload.objects.filter(pk=waiting.pk).update(queued_at=stopped_clock)
    assert not sweeper.standing_still(drained=[]).exists()


@pytest.mark.parametrize(
    ("fields", "corrected"),
    [
        ({"next_attempt_at": HOUR}, {"next_attempt_at": HOUR}),
        ({"next_attempt_at": DAY}, {"next_attempt_at": HOUR}),
        ({"queued_at": HOUR, "started_at": HOUR}, {"queued_at": timedelta(), "started_at": timedelta()}),
        ({"next_attempt_at": None, "created_at": DAY}, {"created_at": timedelta()}),
    ],
)
def test_email_waits_no_longer_than_its_longest_delay(
    upload: Upload, stopped_clock: datetime, fields: dict[str, Any], corrected: dict[str, timedelta]
) -> None:
    event = announce(upload, Event.Name.READY)
    assert event is not None
    mails = event.deliveries.filter(channel="email")
    mails.update(**{name: shift and stopped_clock + shift for name, shift in fields.items()})
    set_back.correct(stopped_clock)
    found = mails.get()
    assert {name: getattr(found, name) - stopped_clock for name in corrected} == corrected


def test_deleted_upload_is_purged_after_its_grace(
    upload: Upload, stopped_clock: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch, stopped_clock + DAY)
    services.delete_upload(upload=upload)
    set_back.correct(stopped_clock)
    assert Upload.objects.get().deleted_at == stopped_clock


def test_endpoint_rests_for_an_hour_at_most(upload: Upload, stopped_clock: datetime) -> None:
    endpoint = endpoints.add(owner=upload.owner, url="https://example.com/")
    Endpoint.objects.update(resting_until=stopped_clock + DAY)
    set_back.correct(stopped_clock)
    endpoint.refresh_from_db()
    assert endpoint.resting_until == stopped_clock + HOUR


def test_second_correction_changes_nothing(upload: Upload, stopped_clock: datetime) -> None:
    set_back.correct(stopped_clock)
    rows = [list(model.objects.order_by("pk").values()) for model in (Upload, Lease, Delivery, Endpoint)]
    set_back.correct(stopped_clock)
    assert rows == [
        list(model.objects.order_by("pk").values()) for model in (Upload, Lease, Delivery, Endpoint)
    ]
