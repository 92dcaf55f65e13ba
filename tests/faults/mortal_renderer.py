"""A renderer that fails as an order in its request says, in place of the decoder (`tests.faults.mortal`)."""

import ctypes
import time
from collections.abc import Callable, Iterator

from processing.renderer.frames import Frame
from processing.renderer.process import Work, run

_WORK = Work()


def _loop() -> None:
    while True:
        pass


_FAILURES: dict[str, Callable[[], object]] = {
    "crash": lambda: ctypes.string_at(1),
    "loop": _loop,
    "memory": lambda: bytearray(1 << 40),
    # Until the worker has killed it.
    "kill": lambda: time.sleep(3600),
}


def _answers(request: Frame) -> Iterator[Frame]:
    if failure := request.header.get("fail"):
        _FAILURES[failure]()
    yield from _WORK.answers(request)


if __name__ == "__main__":
    run(_answers)
