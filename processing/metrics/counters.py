"""The counters of this process: what has been counted since it was last published.

Counting changes a dictionary under a lock, and never fails: no request or step depends on it. A process that
does not publish counts nothing.
"""

import os
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from processing.metrics.families import SERIES_LEFT_OUT, Family, ProcessGauge

# A label from outside must not fill the memory. The metrics of this site have some hundred series.
_MOST_SERIES = 5000
# A label is a name, so a longer one is cut.
_LONGEST_LABEL = 100


class Series(NamedTuple):
    """One counter: its family, its labels, and for a histogram the part of it.

    A part is the index of a bucket, the largest of which is for all slower values, or `sum`.
    """

    family: str
    labels: tuple[str, ...] = ()
    part: str = ""


_LEFT_OUT = Series(SERIES_LEFT_OUT.name)


class Counters:
    """The counters of a process, which threads share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._amounts: dict[Series, float] = {}
        self._gauges: defaultdict[ProcessGauge, float] = defaultdict(float)
        self.is_on = False

    def count(self, family: Family, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        if self.is_on:
            self._add({Series(family.name, _short(labels)): by})

    def observe(self, family: Family, *labels: str, seconds: float) -> None:
        """Add a value to a histogram."""
        if self.is_on:
            bucket = str(bisect_left(family.buckets, seconds))
            name, labels = family.name, _short(labels)
            self._add({Series(name, labels, bucket): 1, Series(name, labels, "sum"): seconds})

    def change(self, gauge: ProcessGauge, by: float) -> None:
        """Raise or lower a gauge of this process."""
        with self._lock:
            self._gauges[gauge] += by

    def put(self, gauge: ProcessGauge, value: float) -> None:
        """Set a gauge of this process."""
        with self._lock:
            self._gauges[gauge] = value

    def gauges(self) -> dict[str, float]:
        """Return the gauges of this process, by name."""
        with self._lock:
            return {gauge.name: value for gauge, value in self._gauges.items()}

    def take(self) -> dict[Series, float]:
        """Return what was counted since the last time."""
        with self._lock:
            taken, self._amounts = self._amounts, {}
        return taken

    def put_back(self, taken: Mapping[Series, float]) -> None:
        """Add what could not be published."""
        self._add(taken)

    def _add(self, amounts: Mapping[Series, float]) -> None:
        with self._lock:
            for series, amount in amounts.items():
                if series in self._amounts or len(self._amounts) < _MOST_SERIES:
                    self._amounts[series] = self._amounts.get(series, 0) + amount
                else:
                    self._amounts[_LEFT_OUT] = self._amounts.get(_LEFT_OUT, 0) + 1


def _short(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(label[:_LONGEST_LABEL] for label in labels)


COUNTERS = Counters()
# A forked process has the amounts of its parent, which the parent publishes, and perhaps a lock that a thread
# of the parent holds.
os.register_at_fork(after_in_child=COUNTERS.__init__)  # type: ignore[misc]
