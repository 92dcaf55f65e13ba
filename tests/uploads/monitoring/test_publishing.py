"""Publishing: the counters of all processes add up in Redis, which may be unavailable."""

import json
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from psycopg_pool import ConnectionPool
from redis import Redis
from redis.exceptions import RedisError

from processing import spans
from processing.metrics.counters import COUNTERS, Series
from processing.metrics.families import EVENT_STREAMS, UPLOADS_RECEIVED
from uploads.monitoring import publishing, recording
from uploads.monitoring.publishing import Publisher, published

RECEIVED = Series("darkroom_uploads_received")


@pytest.fixture(autouse=True)
def _counting(redis_client: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(COUNTERS, "is_on", True)
    yield
    COUNTERS.take()


def make_redis_unavailable(settings: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"redis://127.0.0.1:{free.getsockname()[1]}/0"
    settings.DARKROOM = {**settings.DARKROOM, "REDIS_URL": address}


def test_processes_add_to_the_counters_of_the_site() -> None:
    for _process in range(2):
        COUNTERS.count(UPLOADS_RECEIVED, by=3)
        Publisher().publish()
    Publisher().publish()
    assert published()[0] == {RECEIVED: 6}


def test_gauges_of_live_processes_are_summed() -> None:
    COUNTERS.change(EVENT_STREAMS, 2)
    try:
        first, second = Publisher(), Publisher()
        first.publish()
        second.publish()
        assert published()[1]["darkroom_event_streams"] == 4
        second.stop()
        assert published()[1]["darkroom_event_streams"] == 2
    finally:
        COUNTERS.change(EVENT_STREAMS, -2)


def test_gauges_of_a_killed_process_are_removed(redis_client: Redis) -> None:
    state = json.dumps({"at": redis_client.time()[0] - 30, "gauges": {"darkroom_event_streams": 7}})
    redis_client.hset(publishing._PROCESSES, "dead:1", state)
    assert published()[1]["darkroom_event_streams"] == 0
    assert redis_client.hkeys(publishing._PROCESSES) == []


def test_counters_wait_while_redis_is_unavailable(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    publisher, whole = Publisher(), settings.DARKROOM
    COUNTERS.count(UPLOADS_RECEIVED)
    make_redis_unavailable(settings)
    publisher.publish()
    publisher.publish()
    COUNTERS.count(UPLOADS_RECEIVED)
    with pytest.raises(RedisError):
        published()
    settings.DARKROOM = whole
    publisher.publish()
    assert published()[0] == {RECEIVED: 2}
    # An outage is logged once.
    assert caplog.text.count("metrics will be published later") == 1


def test_redis_that_refuses_writes_loses_nothing(redis_client: Redis) -> None:
    redis_client.set(publishing._COUNTERS, "not a hash")
    COUNTERS.count(UPLOADS_RECEIVED)
    Publisher().publish()
    redis_client.delete(publishing._COUNTERS)
    Publisher().publish()
    assert published()[0] == {RECEIVED: 1}


def test_process_publishes_only_if_metrics_are_on(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    monkeypatch.setattr(publishing, "_publishers", {})
    monkeypatch.setattr(Publisher, "start", lambda _self: started.append(os.getpid()))
    settings.DARKROOM = {**settings.DARKROOM, "METRICS": False}
    publishing.start()
    assert started == []
    settings.DARKROOM = {**settings.DARKROOM, "METRICS": True}
    publishing.start()
    publishing.start()
    assert started == [os.getpid()]


def test_process_publishes_for_the_last_time_when_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_publishers", {os.getpid(): Publisher()})
    COUNTERS.count(UPLOADS_RECEIVED)
    publishing.stop()
    assert published()[0] == {RECEIVED: 1}


def test_publisher_goes_on_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    publisher = Publisher()
    attempts: list[str] = []

    def fail() -> None:
        attempts.append("failed")
        if len(attempts) == 2:
            publisher._end.set()
        raise RuntimeError("a bug")

    monkeypatch.setattr(publisher, "publish", fail)
    monkeypatch.setattr(publishing, "INTERVAL", 0)
    publisher._run()
    assert len(attempts) == 2


def test_spans_are_counted() -> None:
    spans.subscribe(recording.note_span)
    try:
        with spans.span("write", kind="rendition", preset="thumb", format="webp"):
            pass
        with (
            pytest.raises(OSError, match="full"),
            spans.span("write", kind="rendition", preset="thumb", format="avif"),
        ):
            raise OSError("full")
        spans.record("queue_wait", seconds=2, queue="bulk", task="x")
    finally:
        spans.unsubscribe(recording.note_span)
    taken = COUNTERS.take()
    assert taken[Series("darkroom_renditions_rendered", ("thumb", "webp"))] == 1
    assert Series("darkroom_renditions_rendered", ("thumb", "avif")) not in taken
    assert taken[Series("darkroom_queue_wait_seconds", ("bulk",), "3")] == 1
    written = [
        amount for series, amount in taken.items() if series.labels == ("write",) and series.part != "sum"
    ]
    assert sum(written) == 2


def test_state_of_the_database_pool_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ConnectionPool(open=False, min_size=1, max_size=7)
    pool._stats["requests_errors"] += 2
    # Only PostgreSQL's connections have a pool.
    monkeypatch.setattr(connections["default"], "_connection_pools", {"default": pool}, raising=False)
    Publisher().publish()
    Publisher().publish()
    counters, gauges = published()
    assert gauges["darkroom_database_pool_limit"] == 14
    assert counters == {Series("darkroom_database_pool_timeouts"): 2}
