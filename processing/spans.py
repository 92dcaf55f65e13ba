"""Spans: how long each part of the work took. Metrics and traces subscribe to them.

A span is reported to all listeners when it ends. Without a listener, nothing is measured.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

logger = logging.getLogger(__name__)

# `queue_wait` is the time that a message spent in its queue. `read` and `write` are about the storage. The
# renderer decodes, resizes and encodes.
Name = Literal["queue_wait", "read", "decode", "resize", "encode", "write"]
NAMES: tuple[Name, ...] = get_args(Name)
# The header of a message with the time from which it may be received, in seconds since 1970. It is by the
# clock of the publishing host, because it is only for measurements.
DUE_AT = "darkroom_due_at"
Attribute = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of the work that has ended. `ended_at` is in seconds since 1970; `error` names an exception."""

    name: Name
    ended_at: float
    seconds: float
    attributes: Mapping[str, Attribute]
    error: str = ""


Listener = Callable[[Span], None]

_listeners: list[Listener] = []


def subscribe(listener: Listener) -> None:
    """Report every later span of this process to a listener. A listener must return quickly."""
    if listener not in _listeners:
        _listeners.append(listener)


def unsubscribe(listener: Listener) -> None:
    """Report no more spans to a listener."""
    _listeners.remove(listener)


@contextmanager
def span(name: Name, **attributes: Attribute) -> Iterator[None]:
    """Measure the body of the `with` statement, also if it raises an exception."""
    if not _listeners:
        yield
        return
    begun = time.perf_counter()
    error = ""
    try:
        yield
    except BaseException as raised:
        error = type(raised).__name__
        raise
    finally:
        _report(name, time.perf_counter() - begun, attributes, error)


def record(name: Name, *, seconds: float, **attributes: Attribute) -> None:
    """Report a part of the work that another process has measured, and that has just ended."""
    if _listeners:
        _report(name, seconds, attributes)


def _report(name: Name, seconds: float, attributes: Mapping[str, Attribute], error: str = "") -> None:
    ended = Span(name=name, ended_at=time.time(), seconds=seconds, attributes=attributes, error=error)
    for listener in _listeners:
        try:
            listener(ended)
        except Exception:
            # The work must not fail because its measurement does.
            logger.exception("A listener of spans has failed.")
