"""Measurements and the arithmetic on them; this module imports no peer."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import exp, log
from typing import Literal, get_args

Figure = Literal["cpu", "wall", "peak"]


@dataclass(frozen=True, slots=True)
class Quality:
    """Properties of one file: its size, SSIM, colour error (of 255) and whether it contains metadata."""

    byte_size: int
    ssim: float
    color_error: float
    metadata: bool


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

    def byte_ratios(self, *, contender: str, other: str) -> dict[str, float]:
        """Return the bytes of the first contender's files, divided by the other's, by picture."""
        pairs = {name: (self.get(contender, name), self.get(other, name)) for name in self.pictures}
        return {
            name: first.byte_size / second.byte_size
            for name, (first, second) in pairs.items()
            if first and second and second.byte_size
        }

    def quality_losses(self, *, contender: str, other: str) -> dict[str, float]:
        """Return how much lower the first contender's SSIM is, by rendition, at the worst picture."""
        losses: dict[str, float] = {}
        for picture in self.pictures:
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


@dataclass(frozen=True, slots=True)
class Target:
    """A target: a figure that must not exceed its limit."""

    text: str
    reached: float | None
    limit: float

    @property
    def met(self) -> bool:
        """Return whether it was reached."""
        return self.reached is not None and self.reached <= self.limit


MEBIBYTE = 1024**2
DJANGO_PEERS = {
    "django-pictures": "django-pictures",
    "django-imagekit": "django-imagekit",
    "easy-thumbnails": "easy-thumbnails",
    "sorl-thumbnail": "sorl-thumbnail",
}
_CPU_TARGETS = {
    "sharp-best": ("sharp in its best recipe", 0.90),
    "sharp": ("sharp as usually used", 0.38),
    "tutorial": ("Pillow as tutorials use it", 0.16),
    "pyvips-best": ("pyvips in its best recipe", 1.00),
    **{key: (label, 0.50) for key, label in DJANGO_PEERS.items()},
}
_MEMORY_TARGETS = {"jpeg-48.jpg": ("48 MP JPEG", 140), "rgba-12.png": ("12 MP RGBA PNG", 200)}


def targets(results: Results) -> list[Target]:
    """Return Darkroom's targets with the values that it reached."""
    return [*_speed_targets(results), *_memory_targets(results), *_output_targets(results)]


def _speed_targets(results: Results) -> list[Target]:
    cpu = [
        Target(f"CPU ÷ {label}", _mean_ratio(results, other, "cpu"), limit)
        for other, (label, limit) in _CPU_TARGETS.items()
    ]
    wall = [
        Target(f"wall ÷ sharp {label}", _mean_ratio(results, other, "wall"), 0.75)
        for other, label in {
            "sharp-serial": "in its best recipe, one encode at a time",
            "sharp-best": "in its best recipe, encodes all at once",
            "sharp": "as usually used",
        }.items()
    ]
    return cpu + wall


def _memory_targets(results: Results) -> list[Target]:
    found = []
    for picture, (label, limit) in _MEMORY_TARGETS.items():
        one = results.get("darkroom", picture)
        if one:
            found.append(Target(f"peak memory, {label}, MiB", one.peak / MEBIBYTE, limit))
    return found


def _output_targets(results: Results) -> list[Target]:
    losses = results.quality_losses(contender="darkroom", other="floor")
    sizes = results.byte_ratios(contender="darkroom", other="floor")
    return [
        Target("SSIM below the reference recipe, worst rendition", max(losses.values(), default=None), 0.005),
        Target("bytes ÷ the reference recipe, worst picture", max(sizes.values(), default=None), 1.03),
    ]


def mean_ratios(results: Results) -> dict[str, dict[Figure, float | None]]:
    """Return the geometric means of Darkroom's figures divided by each contender's."""
    figures: tuple[Figure, ...] = get_args(Figure)
    return {
        other: {figure: _mean_ratio(results, other, figure) for figure in figures}
        for other in results.contenders
        if other != "darkroom"
    }


def _mean_ratio(results: Results, other: str, figure: Figure) -> float | None:
    return geometric_mean(results.ratios(contender="darkroom", other=other, figure=figure).values())
