"""Spans measure the parts of the work, and never change its result."""

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from processing import conf, spans, steps, tasks
from processing.images.encoding.encoders import Encoders
from processing.images.encoding.encoding import Encoded
from processing.spans import Span, record, span
from tests.conftest import MakeImage
from tests.processing.conftest import StoreOriginal


@pytest.fixture
def heard() -> Iterator[list[Span]]:
    """Return the spans that are reported during the test."""
    found: list[Span] = []

    def listener(one: Span) -> None:
        found.append(one)

    spans.subscribe(listener)
    yield found
    spans.unsubscribe(listener)


def test_span_has_a_name_attributes_and_a_duration(heard: list[Span]) -> None:
    with span("read", kind="original", bytes=3):
        pass
    (one,) = heard
    assert (one.name, one.attributes, one.error) == ("read", {"kind": "original", "bytes": 3}, "")
    assert 0 <= one.seconds < math.inf


def test_span_of_a_failure_names_the_exception(heard: list[Span]) -> None:
    with pytest.raises(KeyError), span("write"):
        raise KeyError("x")
    assert [one.error for one in heard] == ["KeyError"]


def test_duration_of_another_process_is_reported_as_it_is(heard: list[Span]) -> None:
    record("encode", seconds=1.5, preset="thumb", format="webp")
    assert [(one.name, one.seconds) for one in heard] == [("encode", 1.5)]


def test_listener_that_fails_does_not_stop_the_work(heard: list[Span], caplog: Any) -> None:
    def failing(one: Span) -> None:
        raise ValueError(one.name)

    spans.subscribe(failing)
    try:
        with span("read"):
            pass
    finally:
        spans.unsubscribe(failing)
    assert [one.name for one in heard] == ["read"]
    assert "A listener of spans has failed." in caplog.text


def test_nothing_is_measured_without_a_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "_listeners", [])
    monkeypatch.setattr(spans, "_report", None)
    with span("read"):
        record("encode", seconds=1)


def test_repeated_rendition_took_no_time() -> None:
    with Encoders(threads=1) as encoders:
        for _ in range(2):
            encoders.add("key", lambda: Encoded(b"1", 1, 1, resize_seconds=1, encode_seconds=2), here=True)
        found = list(encoders.rest())
    assert [(one.resize_seconds, one.encode_seconds) for one in found] == [(1, 2), (0, 0)]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_step_reports_each_part_of_its_work(
    heard: list[Span], store_original: StoreOriginal, make_image: MakeImage
) -> None:
    # Smaller pictures have equal renditions, which are encoded once.
    original = store_original(make_image(width=2000, height=1500))
    heard.clear()
    steps.run(step="resize_image", content_hash=original.content_hash)
    names = [one.name for one in heard]
    presets = [preset for preset in conf.presets() if not preset.is_thumbnail]
    assert names.count("read") == names.count("decode") == 1
    assert names.count("write") == names.count("encode") == 2 * len(presets)
    assert names.count("resize") == len(presets)
    assert {one.attributes["preset"] for one in heard if one.name == "encode"} == {
        preset.name for preset in presets
    }


def test_wait_in_the_queue_begins_when_a_message_is_due(
    heard: list[Span], monkeypatch: pytest.MonkeyPatch
) -> None:
    headers: dict[str, Any] = {"eta": "2026-01-01T00:00:10+00:00"}
    tasks.note_due_time(headers=headers)
    task = tasks.resize_image
    monkeypatch.setattr(time, "time", lambda: datetime(2026, 1, 1, 0, 0, 13, tzinfo=UTC).timestamp())
    task.push_request(**headers, delivery_info={"routing_key": "0.1.renditions"})
    try:
        tasks.report_wait(task=task)
    finally:
        task.pop_request()
    (one,) = heard
    assert (one.name, one.seconds, one.attributes) == (
        "queue_wait",
        3,
        {"task": "processing.tasks.resize_image", "queue": "renditions"},
    )


def test_message_without_a_time_has_no_wait(heard: list[Span]) -> None:
    tasks.report_wait(task=tasks.resize_image)
    assert heard == []
