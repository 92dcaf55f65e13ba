"""Bytes at equal quality: how many bytes sharp needs for the quality that Darkroom delivers.

sharp writes the same rendition at a few qualities around Darkroom's SSIMULACRA2. The bytes between two of
them follow from a straight line through the logarithms of the bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import TypeAlias

from benchmarks.work import Format

# Steps of sharp's quality, and the most qualities that are tried.
STEP = 5
MOST_STEPS = 6
HIGHEST, LOWEST = 98, 20


@dataclass(frozen=True, slots=True)
class Point:
    """One file: its size in bytes, and its SSIMULACRA2."""

    byte_size: int
    score: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Darkroom's file, and sharp's bytes at the same score; None if sharp did not reach or undercut it."""

    darkroom: Point
    sharp_bytes: float | None

    @property
    def ratio(self) -> float | None:
        """Return Darkroom's bytes divided by sharp's."""
        return None if self.sharp_bytes is None else self.darkroom.byte_size / self.sharp_bytes


# By the picture's file name, and by format.
EqualBytes: TypeAlias = Mapping[str, Mapping[Format, Comparison]]


def bytes_at(score: float, points: Sequence[Point]) -> float | None:
    """Return the bytes at this score between the two nearest points, or None outside of them."""
    below = max((one for one in points if one.score <= score), key=_score, default=None)
    above = min((one for one in points if one.score >= score), key=_score, default=None)
    if below is None or above is None:
        return None
    if above.score == below.score:
        return float(above.byte_size)
    share = (score - below.score) / (above.score - below.score)
    return exp(log(below.byte_size) * (1 - share) + log(above.byte_size) * share)


def points_around(score: float, *, quality: int, point_at: Callable[[int], Point]) -> list[Point]:
    """Return points from the quality towards the score, until they enclose it."""
    points = [point_at(quality)]
    step = STEP if points[0].score < score else -STEP
    while bytes_at(score, points) is None and len(points) < MOST_STEPS:
        quality += step
        if not LOWEST <= quality <= HIGHEST:
            break
        points.append(point_at(quality))
    return points


def _score(point: Point) -> float:
    return point.score
