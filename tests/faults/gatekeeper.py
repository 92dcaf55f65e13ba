"""A hook of the site that passes every original, unless an order in the folder MORTAL_DIR says otherwise."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import NoReturn

from uploads.hooks import Candidate, TryLater

# The order is a file of this name, which holds the name of a fault.
ORDER = "gatekeeper"


def check(candidate: Candidate) -> None:
    """Carry out the order, if there is one."""
    order = Path(os.environ["MORTAL_DIR"]) / ORDER
    if order.exists():
        FAULTS[order.read_text()]()


def _away() -> NoReturn:
    raise TryLater("the scanner is unavailable")


def _fail() -> NoReturn:
    raise ZeroDivisionError("a mistake of the project")


def _hang() -> None:
    Event().wait()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


FAULTS: dict[str, Callable[[], None]] = {"away": _away, "fail": _fail, "hang": _hang, "kill": _kill}
