"""A renderer whose decoder crashes, hangs, takes all memory or lies, as the request says."""

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

from processing.renderer.frames import Frame
from processing.renderer.process import run


def _loop(_: Frame) -> NoReturn:
    while True:
        pass


def _close(_: Frame) -> NoReturn:
    os.closerange(0, 4096)
    time.sleep(3600)
    raise AssertionError("an hour is over")


FAILURES: dict[str, Callable[[Frame], object]] = {
    "segfault": lambda _: ctypes.string_at(1),
    "abort": lambda _: ctypes.CDLL(None).abort(),
    "exit": lambda _: os._exit(0),
    "loop": _loop,
    "sleep": lambda _: time.sleep(3600),
    "close": _close,
    "memory": lambda _: bytearray(1 << 40),
    "raise": lambda _: 1 // 0,
}


def _answers(frame: Frame) -> Iterator[Frame]:
    if frame.header["do"] in FAILURES:
        FAILURES[frame.header["do"]](frame)
    yield Frame(frame.header.get("answer", {}), frame.body)


if __name__ == "__main__":
    run(_answers)
