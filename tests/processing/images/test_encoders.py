"""Encoding in several threads: every result comes once and in order, without unnecessary work."""

import threading
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import pytest
from PIL import Image

from processing.images.encoding.encoders import Encoders
from processing.images.encoding.encoding import Encoded, encode
from processing.presets import FORMATS, Format, Preset, Recipe


def result(number: int) -> Encoded:
    return Encoded(str(number).encode(), number, number)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_are_in_the_order_of_the_jobs(threads: int) -> None:
    with Encoders(threads=threads) as encoders:
        found: list[Encoded] = []
        for number in range(40):
            encoders.add(number, partial(result, number))
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
            encoders.add("key", job)
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
        encoders.add("first", blocked)
        assert begun.wait(10)
        encoders.add("waits", noted("waits"))
        encoders.add("here", noted("here"))
        assert set(where) == {"here"}
        assert where["here"] == threading.current_thread().name
        assert list(encoders.finished()) == []
        go_on.set()
        assert len(list(encoders.rest())) == 3
    assert where["waits"].startswith("encoder")


@pytest.mark.parametrize("threads", [1, 2])
def test_error_of_an_encoder_is_raised_in_the_caller(threads: int) -> None:
    def broken() -> Encoded:
        raise OSError("no such codec")

    def run() -> None:
        with Encoders(threads=threads) as encoders:
            encoders.add("key", broken)
            list(encoders.rest())

    with pytest.raises(OSError, match="no such codec"):
        run()


@pytest.mark.parametrize("format", FORMATS)
def test_other_threads_run_while_a_picture_is_encoded(format: Format) -> None:
    picture = Image.effect_noise((1200, 1200), 90).convert("RGB")
    recipe = Recipe(Preset(name="large", width=1200, effort=0), format)
    turns, stop = 0, threading.Event()

    def count() -> None:
        nonlocal turns
        while not stop.is_set():
            turns += 1
            time.sleep(0)

    def turns_meanwhile() -> int:
        before = turns
        encode(picture, recipe)
        return turns - before

    other = threading.Thread(target=count)
    other.start()
    try:
        # An encoder that holds the GIL leaves the other thread a turn or two, before and after it.
        assert median(turns_meanwhile() for _ in range(5)) > 10
    finally:
        stop.set()
        other.join()
