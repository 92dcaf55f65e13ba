"""Encoding in several threads: every result comes once and in order, without unnecessary work."""

import threading
from collections.abc import Callable
from functools import partial

import pytest

from processing.images.encoding.encoders import Encoders
from processing.images.encoding.encoding import Encoded


def result(number: int) -> Encoded:
    return Encoded(str(number).encode(), number, number)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_are_in_the_order_of_the_jobs(threads: int) -> None:
    with Encoders(threads=threads) as encoders:
        found: list[Encoded] = []
        for number in range(40):
            encoders.add(number, partial(result, number), here=number % 3 == 0)
            found += encoders.finished()
        found += encoders.rest()
    assert [one.width for one in found] == list(range(40))


def test_equal_jobs_run_once() -> None:
    done: list[int] = []

    def job() -> Encoded:
        done.append(1)
        return result(7)

    with Encoders(threads=2) as encoders:
        for _ in range(3):
            encoders.add("key", job, here=False)
        assert [one.width for one in encoders.rest()] == [7, 7, 7]
    assert done == [1]


def test_job_runs_in_the_caller_when_the_thread_is_busy() -> None:
    begun, go_on = threading.Event(), threading.Event()
    where: dict[str, str] = {}

    def blocked() -> Encoded:
        begun.set()
        assert go_on.wait(10)
        return result(0)

    def noted(name: str) -> Callable[[], Encoded]:
        def job() -> Encoded:
            where[name] = threading.current_thread().name
            return result(1)

        return job

    with Encoders(threads=2) as encoders:
        encoders.add("first", blocked, here=False)
        assert begun.wait(10)
        encoders.add("waits", noted("waits"), here=False)
        encoders.add("here", noted("here"), here=False)
        assert set(where) == {"here"}
        assert where["here"] == threading.current_thread().name
        assert list(encoders.finished()) == []
        go_on.set()
        assert len(list(encoders.rest())) == 3
    assert where["waits"].startswith("encoder")


@pytest.mark.parametrize("here", [True, False])
def test_error_of_an_encoder_is_raised_in_the_caller(here: bool) -> None:
    def broken() -> Encoded:
        raise OSError("no such codec")

    def run() -> None:
        with Encoders(threads=2) as encoders:
            encoders.add("key", broken, here=here)
            list(encoders.rest())

    with pytest.raises(OSError, match="no such codec"):
        run()
