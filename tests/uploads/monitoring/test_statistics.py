"""The statistics: amounts, durations, queues and failures."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from tests.conftest import MakeImage, Send
from uploads.models import Delivery, Endpoint, Event, Upload
from uploads.monitoring import statistics
from uploads.monitoring.statistics import Notices, Throughput
from uploads.notices.announcements import announce

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("started")]


@pytest.fixture
def uploads(send: Send, make_image: MakeImage) -> list[Upload]:
    """Return four uploads, newest last."""
    return [send(make_image(seed=seed), name=f"{seed}.jpg") for seed in range(0, 200, 50)]


def change(upload: Upload, **fields: Any) -> None:
    Upload.objects.filter(pk=upload.pk).update(**fields)


def test_uploads_by_status_exclude_deleted_uploads(uploads: list[Upload]) -> None:
    change(uploads[0], status="ready")
    change(uploads[1], status="failed", deleted_at=timezone.now())
    assert statistics.uploads_by_status() == {"pending": 2, "processing": 0, "ready": 1, "failed": 0}


def test_oldest_waiting_upload_is_found(uploads: list[Upload]) -> None:
    now = timezone.now()
    for days, upload in enumerate(uploads):
        change(upload, created_at=now - timedelta(days=10 - days))
    change(uploads[0], status="ready")
    change(uploads[1], deleted_at=now)
    assert statistics.oldest_waiting_at() == now - timedelta(days=8)


def test_statistics_of_an_empty_system_are_zero() -> None:
    assert statistics.oldest_waiting_at() is None
    assert statistics.throughput() == Throughput(minute=0, hour=0, day=0, median=None, slow=None)
    assert list(statistics.failures()) == []
    assert all(notices.waiting == notices.given_up == 0 for notices in statistics.notices())


def ready(upload: Upload, *, ago: timedelta, took: float) -> None:
    ready_at = timezone.now() - ago
    change(upload, status="ready", ready_at=ready_at, created_at=ready_at - timedelta(seconds=took))


def test_throughput_counts_the_last_minute_hour_and_day(uploads: list[Upload]) -> None:
    ready(uploads[0], ago=timedelta(seconds=5), took=2)
    ready(uploads[1], ago=timedelta(minutes=50), took=4)
    ready(uploads[2], ago=timedelta(hours=23), took=100)
    ready(uploads[3], ago=timedelta(hours=25), took=100)
    assert statistics.throughput() == Throughput(minute=1, hour=2, day=3, median=3.0, slow=4.0)


def test_slow_time_is_the_95th_percentile(send: Send) -> None:
    now = timezone.now()
    original = send().original
    people = User.objects.bulk_create(User(username=f"person {number}") for number in range(100))
    Upload.objects.bulk_create(
        Upload(
            owner=person,
            original=original,
            status="ready",
            ready_at=now,
            created_at=now - timedelta(seconds=seconds),
        )
        for seconds, person in enumerate(people, start=1)
    )
    assert statistics.throughput() == Throughput(minute=100, hour=100, day=100, median=50.5, slow=95.0)


def test_failures_are_listed_newest_first(uploads: list[Upload]) -> None:
    for upload in uploads[:3]:
        change(upload, status="failed")
    change(uploads[1], deleted_at=timezone.now())
    assert list(statistics.failures()) == [uploads[2], uploads[0]]


def test_notices_are_counted_by_channel(uploads: list[Upload], owner: User) -> None:
    for upload in uploads:
        announce(upload, Event.Name.READY)
    endpoints = [
        Endpoint.objects.create(owner=owner, url="https://example.com/"),
        Endpoint.objects.create(owner=owner, url="https://example.com/", disabled_at=timezone.now()),
    ]
    for event in Event.objects.filter(name="upload.ready"):
        for endpoint in endpoints:
            Delivery.objects.create(event=event, channel="webhook", endpoint=endpoint, subject="s")
    mails = Delivery.objects.filter(channel="email")
    assert len(mails) == 4
    mails.filter(pk=mails[0].pk).update(delivered_at=timezone.now())
    mails.filter(pk=mails[1].pk).update(failed_at=timezone.now())
    assert statistics.notices() == [Notices("in_app", 0, 0), Notices("email", 2, 1), Notices("webhook", 4, 0)]
    assert [notices.name for notices in statistics.notices()] == ["in-app", "email", "webhook"]
