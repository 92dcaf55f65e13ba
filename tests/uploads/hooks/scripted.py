"""Hooks that a test directs, and that configured lists name by their dotted paths."""

import hashlib
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import NoReturn

from uploads.hooks import Candidate, Refused, TryLater

# What the hook `scripted` does, and the SHA-256 of the bytes of each of its calls.
answer: Callable[[Candidate], object] = bool
seen: list[str] = []


def scripted(candidate: Candidate, **_options: object) -> None:
    seen.append(hashlib.sha256(b"".join(candidate.chunks())).hexdigest())
    candidate.file.seek(0)
    answer(candidate)


def passing(candidate: Candidate) -> None:
    """Pass everything."""


def hanging(candidate: Candidate) -> None:
    """Hang, and take every error for one of its work."""
    while True:
        with suppress(Exception):
            Event().wait()


def away(candidate: Candidate) -> NoReturn:
    raise TryLater("the scanner is unavailable")


def failing(candidate: Candidate) -> NoReturn:
    raise ZeroDivisionError("a mistake of the project")


def deadly(candidate: Candidate) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def by_width(candidate: Candidate) -> None:
    """Hang for an image that is 100 pixels wide, and refuse one of 200."""
    if candidate.width == 100:
        hanging(candidate)
    if candidate.width == 200:
        raise Refused("It is 200 pixels wide.")


class NotCallable:
    """A class without `__call__`."""


class Limited:
    """A hook with a required option."""

    def __init__(self, *, limit: int) -> None:
        if limit < 1:
            raise ValueError("limit must be 1 or more")
        self.limit = limit

    def __call__(self, candidate: Candidate) -> None:
        assert candidate.byte_size >= self.limit
