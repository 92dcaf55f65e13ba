"""Let Python sleep under libfaketime: Python loads this module at its start, from `PYTHONPATH`.

libfaketime 0.9.10 of Debian breaks `clock_nanosleep` for the real monotonic clock, by which Python sleeps
(https://github.com/wolfcw/libfaketime/issues/426).
"""

import select
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex) -> None:
    select.select([], [], [], float(seconds))


time.sleep = _sleep
