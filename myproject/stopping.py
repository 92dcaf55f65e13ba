"""How a worker stops: it accepts nothing new, finishes what it can in time, and hands back the rest.

Celery would either wait without a limit, or end the tasks without a record in the database.
"""

import atexit
import os
import signal

from billiard import active_children

from processing.conf import darkroom

# Not SIGTERM: billiard uses it to end a child that exceeds its time limit, which counts as a crash.
_HAND_BACK = signal.SIGUSR2
# Seconds after which a child that does not react, for example inside a driver of the database, is killed.
_HAND_BACK_TIME = 5


def listen() -> None:
    """Let this child interrupt its step on the signal, as Ctrl-C interrupts a command."""
    signal.signal(_HAND_BACK, signal.default_int_handler)


def bound() -> None:
    """Set the time limit of a shutdown; a repeated signal does not extend it."""
    if signal.getsignal(signal.SIGALRM) is signal.SIG_DFL:
        signal.signal(signal.SIGALRM, _hand_back)
        # Python removes its signal handlers at exit, so a pending alarm would kill the process.
        atexit.register(signal.alarm, 0)
        signal.alarm(max(darkroom().stop_time, 1))  # 0 would set no alarm


def _hand_back(*_: object) -> None:
    """Let every child hand back its lease, so that another worker can start the step again."""
    signal.signal(signal.SIGALRM, _end)
    signal.alarm(_HAND_BACK_TIME)
    for child in active_children():
        if child.pid is not None:
            os.kill(child.pid, _HAND_BACK)


def _end(*_: object) -> None:
    """End this process. The kernel then kills its children, because Celery sets PDEATHSIG."""
    os._exit(os.EX_TEMPFAIL)
