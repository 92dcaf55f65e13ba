"""Race tests: run several calls at the same moment."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connections


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make all calls at the same moment, each in its own thread. Return their results."""
    return [future.result() for future in _futures(calls)]


def run_at_once(*calls: Callable[[], object]) -> list[BaseException | None]:
    """Make all calls at the same moment, each in its own thread. Return the exception of each, or None."""
    return [future.exception() for future in _futures(calls)]


def _futures(calls: Sequence[Callable[[], Any]]) -> list[Future[Any]]:
    barrier = Barrier(len(calls))

    def call_in_time(call: Callable[[], Any]) -> Any:
        barrier.wait(timeout=30)
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [pool.submit(call_in_time, call) for call in calls]
