"""The points that hostile people and a careless operator attack: each is a function with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.hostile.scene import Scene

# It may return a note for the table.
Act = Callable[[Scene], str | None]


@dataclass(frozen=True, slots=True)
class Point:
    """A point by its number in `docs/security.md`. `act` attacks it, and fails an assertion if it breaks."""

    number: str
    sentence: str
    act: Act


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a point: holds, perhaps with a note, or BROKEN and why."""

    point: Point
    outcome: str
    reason: str = ""


def try_point(point: Point, scene: Scene) -> Result:
    """Attack a point. Any exception means that it does not hold."""
    try:
        note = point.act(scene)
    except Exception as error:  # noqa: BLE001 (an attack may fail in any way)
        reason = str(error) or "an assertion failed"
        return Result(point, "BROKEN", reason if isinstance(error, AssertionError) else repr(error))
    return Result(point, "holds", note or "")


def table(results: list[Result]) -> str:
    """Return a line for each point, with its note, or with the reason if it does not hold."""
    lines = []
    for result in results:
        reason = f": {' '.join(result.reason.split())[:600]}" if result.reason else ""
        lines.append(f"{result.point.number:<4} {result.outcome:<8} {result.point.sentence}{reason}")
    return "\n".join(lines)
