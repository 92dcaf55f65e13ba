"""The points that hostile people and a careless operator attack: each is a function with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.hostile.scene import Scene

Act = Callable[[Scene], None]


@dataclass(frozen=True, slots=True)
class Point:
    """A point by its number in `docs/security.md`. `act` attacks it, and fails an assertion if it breaks."""

    number: str
    sentence: str
    act: Act


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a point: holds, or BROKEN and why."""

    point: Point
    outcome: str
    reason: str = ""


def try_point(point: Point, scene: Scene) -> Result:
    """Attack a point. Any exception means that it does not hold."""
    try:
        point.act(scene)
    except Exception as error:  # noqa: BLE001 (an attack may fail in any way)
        reason = str(error) or "an assertion failed"
        return Result(point, "BROKEN", reason if isinstance(error, AssertionError) else repr(error))
    return Result(point, "holds")


def table(results: list[Result]) -> str:
    """Return a line for each point, and below it the reason if the point does not hold."""
    lines = []
    for result in results:
        reason = f": {' '.join(result.reason.split())[:300]}" if result.reason else ""
        lines.append(f"{result.point.number:<4} {result.outcome:<8} {result.point.sentence}{reason}")
    return "\n".join(lines)
