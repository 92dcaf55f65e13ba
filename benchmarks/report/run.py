"""The results of one run, and the verdict on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.catalog import Contender
from benchmarks.limits import Limit, limits, missed
from benchmarks.measurements import Results
from benchmarks.quality.equal_bytes import EqualBytes
from benchmarks.work import Format

DARKROOM = "darkroom"
FLOOR = "floor"
SHARP = "sharp-best"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All results of one run."""

    contenders: Sequence[Contender]
    labels: Mapping[str, str]
    results: Results
    growth: Results
    steps: Mapping[str, Mapping[str, float]]
    formats: Mapping[str, Mapping[Format, Mapping[str, float]]]
    equal: EqualBytes
    versions: Mapping[str, Mapping[str, str]]
    machine: Mapping[str, str]
    quick: bool = False

    def label(self, contender: str) -> str:
        """Return the contender's label in tables."""
        return next(one.label for one in self.contenders if one.key == contender)

    def failures(self) -> dict[str, str]:
        """Return the error of each contender that failed, except optional ones that are not installed."""
        found = self.growth.failures() | self.results.failures()
        return {key: error for key, error in found.items() if key not in self.absent}

    @property
    def absent(self) -> list[str]:
        """Return the optional contenders that are not installed."""
        return [one.key for one in self.contenders if one.absent and one.key in self.results.contenders]

    @property
    def picture_labels(self) -> list[str]:
        """Return the labels of the compared pictures."""
        return [self.labels[name] for name in self.results.pictures]

    @property
    def limits(self) -> list[Limit]:
        """Return the limits that apply to this run."""
        return limits(self.results, self.equal)

    def verdict(self, *, strict: bool) -> tuple[list[str], int]:
        """Return what failed, in words, and the exit code: a missed limit fails only a strict run."""
        failures = [f"MISSING: {self.label(key)}: {error}" for key, error in self.failures().items()]
        misses = [f"MISSED: {text}" for text in missed(self.limits)]
        return [*failures, *misses], 1 if failures or (strict and misses) else 0
