"""The time limit of a hook: a timer interrupts it, wherever it waits."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType


class OutOfTime(BaseException):
    """The hook took too long. It is no `Exception`, so that a hook does not catch it with other errors."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in this thread after some seconds, and each second from then on.

    Only the main thread can be interrupted, on systems with timers, and while no other code uses the timer.
    Elsewhere, and if the hook is stuck outside Python, Celery's time limit ends the process.
    """
    if not _is_possible():
        yield
        return
    former = signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        # The timer may have interrupted the first clean-up. The next interruption is a second away.
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def _is_possible() -> bool:
    return (
        hasattr(signal, "setitimer")
        and current_thread() is main_thread()
        and not signal.getitimer(signal.ITIMER_REAL)[0]
    )


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise OutOfTime
