"""Patience: what has just not answered is left alone for a while, so that nobody waits for it twice."""

import time


class Pause:
    """A time of that many seconds in which something is not asked again; true while it lasts."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0

    def begin(self) -> None:
        """Leave it alone from now on."""
        self._until = time.monotonic() + self._seconds

    def __bool__(self) -> bool:
        return time.monotonic() < self._until
