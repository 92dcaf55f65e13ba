"""The clock of the database, by which all hosts time what they share.

The hosts' own clocks may be apart, or be set while they run. So every time in the database is from `now`, and
is compared with it: leases, attempts, deadlines, heartbeats, and the order in which things happened.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

# Seconds for which a process relies on one reading. Clocks hardly drift in this time.
_LASTS = 10.0
# Seconds by which the host's clock may be set or slewed before it is read again.
_TOLERANCE = 0.5


@dataclass(frozen=True, slots=True)
class _Reading:
    """How far the database's clock was ahead of this host's, and the host's two clocks at that time."""

    ahead: timedelta
    at: float
    monotonic: float

    @property
    def holds(self) -> bool:
        """Return whether the reading is recent, and the host's clock was neither set nor stopped since."""
        elapsed = time.monotonic() - self.monotonic
        return elapsed < _LASTS and abs(time.time() - self.at - elapsed) < _TOLERANCE


class _Readings:
    """The last reading of this process. All threads share it."""

    def __init__(self) -> None:
        self._last: _Reading | None = None

    def ahead(self) -> timedelta:
        """Return how far the database's clock is ahead, from a query at most every `_LASTS` seconds."""
        last = self._last
        if last is None or not last.holds:
            last = self._last = _read()
        return last.ahead


_readings = _Readings()
# A forked process has the settings of the process that read them, and so its time, too.
_BEGAN = time.monotonic()


def now() -> datetime:
    """Return the database's time.

    Raises a database error if it has to be read and the database is unavailable.
    """
    shift = ahead()
    return timezone.now() + shift


def ahead() -> timedelta:
    """Return how far the database's clock is ahead of this host's. Tests replace this function.

    SQLite has one host, whose clock is the database's.
    """
    return _readings.ahead() if connection.vendor == "postgresql" else timedelta()


def began_at() -> datetime:
    """Return when this process, or the one that forked it, read its settings.

    Raises what `now` raises.
    """
    return now() - timedelta(seconds=time.monotonic() - _BEGAN)


def _read() -> _Reading:
    with connection.cursor() as cursor:
        # `now()` of PostgreSQL would be the time at which the transaction began.
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    assert row is not None
    return _Reading(ahead=row[0] - timezone.now(), at=time.time(), monotonic=time.monotonic())
