"""Races: several calls at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connections


def run_at_once(*calls: Callable[[], object]) -> list[BaseException | None]:
    """Run the calls at the same moment, each in a thread of its own; return what each raised."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        barrier.wait(timeout=30)
        try:
            call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(run, call) for call in calls]
    return [future.exception() for future in futures]
