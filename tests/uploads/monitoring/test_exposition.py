"""The metrics of `/metrics`: each is documented, counted by what happens, and left out if it is unknown."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.test import Client
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from processing import clock
from processing.errors import Refusal
from processing.metrics.counters import COUNTERS
from processing.metrics.families import STEP_SECONDS
from processing.models import Rendition
from processing.tasks import generate_thumbnails
from tests.conftest import MakeImage, Send
from uploads import broker, completion, pipeline
from uploads.models import Delivery, Event, Heartbeat, Upload
from uploads.monitoring import exposition, publishing, readiness, statistics
from uploads.monitoring.publishing import Publisher
from uploads.notices import schedule
from uploads.notices.announcements import announce
from uploads.notices.schedule import DeliveryFailed

# Threads check the database, and see only what is committed.
pytestmark = [pytest.mark.django_db(transaction=True)]
PAGE = Path(django_settings.BASE_DIR, "docs", "metrics.md")


@pytest.fixture(autouse=True)
def _counting(
    redis_client: Redis, settings: Any, started: list[Upload], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    settings.DARKROOM = {**settings.DARKROOM, "METRICS": True}
    monkeypatch.setattr(COUNTERS, "is_on", True)
    monkeypatch.setattr(publishing, "_publishers", {os.getpid(): Publisher()})
    monkeypatch.setattr(pipeline, "publish", lambda _message: True)
    monkeypatch.setattr(broker, "workers", lambda: {"one@here": {"bulk"}})
    COUNTERS.take()
    yield
    COUNTERS.take()


def scraped() -> dict[str, Metric]:
    """Publish what was counted, and return the families of `/metrics` by name."""
    Publisher().publish()
    return {family.name: family for family in text_string_to_metric_families(exposition.text().decode())}


def sample(families: dict[str, Metric], name: str, **labels: str) -> float:
    """Return the value of one series."""
    found = [
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def documented() -> set[str]:
    tables = PAGE.read_text().partition("## Alerts")[0]
    return set(re.findall(r"^\| `(darkroom_\w+)` \|", tables, re.MULTILINE))


def test_page_lists_every_metric() -> None:
    Heartbeat.objects.create(name="sweep", at=clock.now())
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in scraped().values()
        if family.name.startswith("darkroom_")
    }
    assert names == documented()


def test_known_series_begin_with_0() -> None:
    found = scraped()
    assert sample(found, "darkroom_uploads_received_total") == 0
    assert sample(found, "darkroom_uploads_finished_total", result="failed") == 0
    assert sample(found, "darkroom_renderer_crashes_total", kind="slow") == 0
    assert sample(found, "darkroom_deliveries_total", channel="webhook", result="given_up") == 0
    assert sample(found, "darkroom_step_seconds_count", step="decode") == 0


def test_upload_is_counted_from_the_first_byte_to_its_renditions(send: Send) -> None:
    upload = send()
    completion.run_here(upload)
    found = scraped()
    assert sample(found, "darkroom_uploads_received_total") == 1
    assert sample(found, "darkroom_uploaded_bytes_total") == upload.original.byte_size
    assert sample(found, "darkroom_uploads_finished_total", result="ready") == 1


def test_failed_upload_is_counted_with_its_reason(send: Send, make_image: MakeImage) -> None:
    upload = send(make_image()[:1500])
    with pytest.raises(Refusal):
        completion.run_here(upload)
    upload.refresh_from_db()
    found = scraped()
    assert upload.status == "failed"
    assert sample(found, "darkroom_uploads_finished_total", result="failed") == 1
    assert sample(found, "darkroom_upload_failures_total", code=upload.error_code) == 1


def test_rolled_back_upload_is_not_counted(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_options: object) -> None:
        raise RuntimeError("a receiver of the project")

    monkeypatch.setattr("uploads.services.upload_received.send", fail)
    with pytest.raises(RuntimeError):
        send()
    assert sample(scraped(), "darkroom_uploads_received_total") == 0


def test_histogram_is_cumulative() -> None:
    for seconds in (0.001, 0.02, 0.02, 1000):
        COUNTERS.observe(STEP_SECONDS, "read", seconds=seconds)
    found = scraped()
    name = "darkroom_step_seconds_bucket"
    assert sample(found, name, step="read", le="0.01") == 1
    assert sample(found, name, step="read", le="0.025") == 3
    assert sample(found, name, step="read", le="120.0") == 3
    assert sample(found, name, step="read", le="+Inf") == 4
    assert sample(found, "darkroom_step_seconds_count", step="read") == 4
    assert sample(found, "darkroom_step_seconds_sum", step="read") == pytest.approx(1000.041)


def test_task_is_counted_with_its_state(send: Send) -> None:
    upload = send()
    generate_thumbnails.apply(kwargs={"content_hash": upload.original.content_hash})
    found = scraped()
    name = "processing.tasks.generate_thumbnails"
    assert sample(found, "darkroom_tasks_total", task=name, state="SUCCESS") == 1
    assert sample(found, "darkroom_task_seconds_count", task=name) == 1


def test_delivery_is_counted_with_its_result(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_delivery: Delivery) -> None:
        raise OSError("connection refused")

    event = announce(send(), Event.Name.READY)
    assert event is not None
    delivery = event.deliveries.get(channel="email")
    channel = schedule._CHANNELS[Delivery.Channel.EMAIL]
    monkeypatch.setitem(schedule._CHANNELS, Delivery.Channel.EMAIL, schedule._Channel(refuse, channel.delays))
    Delivery.objects.update(next_attempt_at=clock.now())
    with pytest.raises(DeliveryFailed):
        schedule.deliver(str(delivery.pk))
    assert sample(scraped(), "darkroom_deliveries_total", channel="email", result="failed") == 1
    Delivery.objects.update(next_attempt_at=clock.now())
    monkeypatch.setitem(
        schedule._CHANNELS, Delivery.Channel.EMAIL, schedule._Channel(lambda _delivery: None, channel.delays)
    )
    schedule.deliver(str(delivery.pk))
    assert sample(scraped(), "darkroom_deliveries_total", channel="email", result="delivered") == 1


def test_missing_file_is_counted(send: Send, client: Client) -> None:
    upload = send()
    completion.run_here(upload)
    row = Rendition.objects.filter(preset="thumb").first()
    assert row is not None
    default_storage.delete(row.key)
    assert client.get(f"/i/{upload.pk}/thumb.{row.format}").status_code == 404
    assert sample(scraped(), "darkroom_missing_files_total") == 1


def test_lost_originals_are_counted_once(send: Send) -> None:
    upload = send()
    assert statistics.lost_originals() == 0
    Upload.objects.filter(pk=upload.pk).update(status="failed", error_code="original_lost")
    assert sample(scraped(), "darkroom_lost_originals") == 1


def test_oldest_message_of_a_queue_has_an_age(redis_client: Redis) -> None:
    generate_thumbnails.s(content_hash="0" * 64).set(queue="bulk").apply_async()
    oldest = broker.oldest_messages()
    assert oldest is not None
    assert set(oldest) == {"bulk"}
    assert oldest["bulk"] == pytest.approx(time.time(), abs=60)
    found = scraped()
    assert sample(found, "darkroom_queue_oldest_message_seconds", queue="bulk") < 60
    assert sample(found, "darkroom_queue_oldest_message_seconds", queue="thumbnails") == 0


def test_message_of_another_program_has_no_age(redis_client: Redis) -> None:
    redis_client.lpush("bulk", b"no JSON")
    assert broker.oldest_messages() == {}


def test_workers_are_counted_by_queue() -> None:
    found = scraped()
    assert sample(found, "darkroom_workers", queue="bulk") == 1
    assert sample(found, "darkroom_workers", queue="thumbnails") == 0


def test_counters_are_left_out_while_redis_is_unavailable(settings: Any) -> None:
    COUNTERS.count(STEP_SECONDS, "read")
    settings.DARKROOM = {**settings.DARKROOM, "REDIS_URL": "unix:///nonexistent/redis.sock"}
    found = scraped()
    assert "darkroom_uploads_received" not in found
    assert sample(found, "darkroom_part_ok", part="redis") == 0
    assert sample(found, "darkroom_originals") == 0


def test_rows_are_left_out_while_the_database_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("the database is unavailable")

    monkeypatch.setattr(statistics, "uploads_by_status", refuse)
    monkeypatch.setattr(readiness, "_ask_database", refuse)
    found = scraped()
    assert "darkroom_uploads" not in found
    assert sample(found, "darkroom_ready") == 0
    assert sample(found, "darkroom_part_ok", part="database") == 0


def test_metrics_that_are_off_are_left_out(settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "METRICS": False}
    found = scraped()
    assert "darkroom_uploads_received" not in found
    assert "darkroom_uploads" in found
