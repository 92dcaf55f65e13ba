"""The time limit of a hook: it interrupts the main thread, and leaves signals as they were."""

import signal
from contextlib import suppress
from threading import Event

import pytest

from tests.threads import run_at_once
from uploads.hooks.time_limit import OutOfTime, limited


def test_waiting_code_is_interrupted() -> None:
    with pytest.raises(OutOfTime), limited(0.01):
        Event().wait()


def test_swallowed_interruption_is_repeated() -> None:
    def swallow_one() -> None:
        with suppress(OutOfTime):
            Event().wait()
        Event().wait()

    with pytest.raises(OutOfTime), limited(0.01):
        swallow_one()


def test_signals_are_as_before() -> None:
    former = signal.getsignal(signal.SIGALRM)
    with limited(100):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is former


def test_timer_of_other_code_stays() -> None:
    signal.setitimer(signal.ITIMER_REAL, 100)
    try:
        with limited(0.001):
            assert signal.getitimer(signal.ITIMER_REAL)[0] > 1
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def test_other_threads_are_not_limited() -> None:
    def wait() -> None:
        with limited(0.001):
            assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)

    assert run_at_once(wait) == [None]
