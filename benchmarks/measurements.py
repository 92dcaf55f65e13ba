"""Measurements and the arithmetic on them; this module imports no peer."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import exp, log
from typing import Literal, get_args

from benchmarks.work import is_animation

Figure = Literal["cpu", "wall", "peak"]


@dataclass(frozen=True, slots=True)
class Quality:
    """Properties of one file: its size, SSIM, colour error (of 255) and whether it contains metadata.

    `score` is SSIMULACRA2, which is computed for some files only.
    """

    byte_size: int
    ssim: float
    color_error: float
    metadata: bool
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One contender's cost for one picture: medians in seconds, bytes of memory, and its files."""

    contender: str
    picture: str
    cpu: float = 0
    wall: float = 0
    peak: int = 0
    idle_peak: int = 0
    rounds: int = 0
    error: str = ""
    files: dict[str, str] = field(default_factory=dict)
    qualities: dict[str, Quality] = field(default_factory=dict)

    @property
    def byte_size(self) -> int:
        """Return the bytes of all renditions together."""
        return sum(quality.byte_size for quality in self.qualities.values())


class Results:
    """All measurements of a run, by contender and picture."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self.measurements = list(measurements)
        self._found = {(one.contender, one.picture): one for one in self.measurements if not one.error}
        self.pictures = list(dict.fromkeys(one.picture for one in self.measurements))
        self.stills = [name for name in self.pictures if not is_animation(name)]
        self.contenders = list(dict.fromkeys(one.contender for one in self.measurements))

    def get(self, contender: str, picture: str) -> Measurement | None:
        """Return the measurement, or None if the contender failed."""
        return self._found.get((contender, picture))

    def failures(self) -> dict[str, str]:
        """Return the error of each contender that failed at any picture."""
        return {one.contender: one.error for one in self.measurements if one.error}

    def ratios(self, *, contender: str, other: str, figure: Figure) -> dict[str, float]:
        """Return the first contender's figure, divided by the other's, by picture."""
        pairs = {name: (self.get(contender, name), self.get(other, name)) for name in self.pictures}
        return {
            name: getattr(first, figure) / getattr(second, figure)
            for name, (first, second) in pairs.items()
            if first and second
        }

    def mean_ratio(self, *, contender: str, other: str, figure: Figure) -> float | None:
        """Return the geometric mean of the ratios over the still pictures."""
        found = self.ratios(contender=contender, other=other, figure=figure)
        return geometric_mean(found[name] for name in self.stills if name in found)

    def byte_ratios(self, *, contender: str, other: str) -> dict[str, float]:
        """Return the bytes of the first contender's files, divided by the other's, by picture."""
        pairs = {name: (self.get(contender, name), self.get(other, name)) for name in self.pictures}
        return {
            name: first.byte_size / second.byte_size
            for name, (first, second) in pairs.items()
            if first and second and second.byte_size
        }

    def quality_losses(self, *, contender: str, other: str) -> dict[str, float]:
        """Return how much lower the first contender's SSIM is, by rendition, at the worst still picture."""
        losses: dict[str, float] = {}
        for picture in self.stills:
            first, second = self.get(contender, picture), self.get(other, picture)
            if not (first and second):
                continue
            for name, quality in first.qualities.items():
                loss = second.qualities[name].ssim - quality.ssim
                losses[name] = max(loss, losses.get(name, loss))
        return losses


def geometric_mean(values: Iterable[float]) -> float | None:
    """Return the geometric mean, or None without values."""
    logarithms = [log(value) for value in values]
    return exp(sum(logarithms) / len(logarithms)) if logarithms else None


def rounds_for(*, seconds: float, budget: float, most: int) -> int:
    """Return how many rounds to measure: the shorter the work, the more rounds."""
    return max(1, min(most, round(budget / seconds))) if seconds > 0 else most


def mean_ratios(results: Results) -> dict[str, dict[Figure, float | None]]:
    """Return the geometric means of Darkroom's figures divided by each contender's."""
    figures: tuple[Figure, ...] = get_args(Figure)
    return {
        other: {
            figure: results.mean_ratio(contender="darkroom", other=other, figure=figure) for figure in figures
        }
        for other in results.contenders
        if other != "darkroom"
    }
