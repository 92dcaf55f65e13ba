"""Counters: what a process has counted is taken once, is bounded, and is not inherited."""

import os
import threading

import pytest

from processing.metrics import counters
from processing.metrics.counters import COUNTERS, Counters, Series
from processing.metrics.families import (
    DELIVERIES,
    EVENT_STREAMS,
    FAMILIES,
    PROCESS_GAUGES,
    REQUESTS,
    SERIES_LEFT_OUT,
    STEP_SECONDS,
    UPLOADS_RECEIVED,
)


@pytest.fixture
def counting() -> Counters:
    """Return counters that are on."""
    own = Counters()
    own.is_on = True
    return own


def test_amounts_are_added_and_taken_once(counting: Counters) -> None:
    counting.count(UPLOADS_RECEIVED)
    counting.count(UPLOADS_RECEIVED, by=2)
    assert counting.take() == {Series("darkroom_uploads_received"): 3}
    assert counting.take() == {}


def test_amounts_that_were_put_back_are_taken_again(counting: Counters) -> None:
    counting.count(UPLOADS_RECEIVED)
    taken = counting.take()
    counting.count(UPLOADS_RECEIVED)
    counting.put_back(taken)
    assert counting.take() == {Series("darkroom_uploads_received"): 2}


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, "0"), (0.01, "0"), (0.0101, "1"), (500.0, "13")])
def test_value_is_counted_in_the_first_bucket_that_holds_it(
    counting: Counters, seconds: float, bucket: str
) -> None:
    counting.observe(STEP_SECONDS, "read", seconds=seconds)
    assert counting.take() == {
        Series("darkroom_step_seconds", ("read",), bucket): 1,
        Series("darkroom_step_seconds", ("read",), "sum"): seconds,
    }


def test_process_that_does_not_publish_counts_nothing() -> None:
    own = Counters()
    own.count(UPLOADS_RECEIVED)
    own.observe(STEP_SECONDS, "read", seconds=1)
    assert own.take() == {}


def test_number_of_series_is_limited(counting: Counters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "_MOST_SERIES", 3)
    for number in range(10):
        counting.count(REQUESTS, f"route{number}", "GET", "200")
    taken = counting.take()
    assert len(taken) == 4
    assert taken[Series(SERIES_LEFT_OUT.name)] == 7


def test_long_label_is_cut(counting: Counters) -> None:
    counting.count(REQUESTS, "r" * 1000, "GET", "200")
    assert [series.labels[0] for series in counting.take()] == ["r" * 100]


def test_gauge_is_changed(counting: Counters) -> None:
    counting.change(EVENT_STREAMS, 1)
    counting.change(EVENT_STREAMS, 1)
    counting.change(EVENT_STREAMS, -1)
    assert counting.gauges() == {"darkroom_event_streams": 1}


def test_threads_lose_nothing(counting: Counters) -> None:
    def count() -> None:
        for _ in range(2000):
            counting.count(UPLOADS_RECEIVED)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counting.take() == {Series("darkroom_uploads_received"): 8000}


def test_forked_process_inherits_no_amounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(COUNTERS, "is_on", True)
    COUNTERS.count(UPLOADS_RECEIVED)
    with COUNTERS._lock:
        child = os.fork()
        if not child:
            # A lock of the parent would block the child for ever.
            os._exit(0 if COUNTERS.take() == {} else 1)
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert COUNTERS.take() == {Series("darkroom_uploads_received"): 1}
    finally:
        COUNTERS.take()


def test_names_are_unique() -> None:
    names = [entry.name for entry in (*FAMILIES, *PROCESS_GAUGES)]
    assert len(set(names)) == len(names)


def test_known_series_are_all_combinations_of_the_values() -> None:
    assert len(DELIVERIES.known()) == 6
    assert UPLOADS_RECEIVED.known() == [()]
    assert REQUESTS.known() == []
