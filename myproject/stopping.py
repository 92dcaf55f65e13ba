"""How a worker stops: it takes nothing new, finishes what it can in time, and hands back the rest.

Celery itself waits for what is in hand however long that takes, or ends it with no word to the database.
"""

import atexit
import os
import signal

from billiard import active_children

from processing.conf import darkroom

# Not SIGTERM: by that billiard ends a child that has overrun its time limit, which counts as a crash.
_HAND_BACK = signal.SIGUSR2
# Seconds after which a child that cannot listen, deep in a decoder, is killed.
_HAND_BACK_TIME = 5


def listen() -> None:
    """Let this child of the pool break off its step when it is told, as a command does at Ctrl-C."""
    signal.signal(_HAND_BACK, signal.default_int_handler)


def bound() -> None:
    """Set a bound to the shutdown that has begun; a signal that comes again does not move it."""
    if signal.getsignal(signal.SIGALRM) is signal.SIG_DFL:
        signal.signal(signal.SIGALRM, _hand_back)
        # Python gives up its handlers when it ends, and an alarm would kill it then.
        atexit.register(signal.alarm, 0)
        signal.alarm(max(darkroom().stop_time, 1))  # 0 would set no alarm


def _hand_back(*_: object) -> None:
    """Have every child return the lease of what it is at, for another worker to start again."""
    signal.signal(signal.SIGALRM, _end)
    signal.alarm(_HAND_BACK_TIME)
    for child in active_children():
        if child.pid is not None:
            os.kill(child.pid, _HAND_BACK)


def _end(*_: object) -> None:
    """End this process with its threads; the kernel kills its children with it."""
    os._exit(os.EX_TEMPFAIL)
