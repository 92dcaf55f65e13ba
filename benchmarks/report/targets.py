"""The limits, each with the figure that was reached."""

from collections.abc import Sequence

from benchmarks.limits import CPU_EACH, Limit
from benchmarks.report.run import FLOOR, Run
from benchmarks.report.tables import NONE, number, table

_LIMITS = "A figure above its limit is marked. The limits are in `benchmarks/limits.py`."
_ROOM = """The floor's CPU, divided by the contender's. No renderer with the same encoders and settings can be
much below it, so Darkroom can hardly reach a limit that is lower than this ratio."""


def limit_section(run: Run) -> str:
    """Return the section of the limits: those of all pictures, and those of each."""
    found = run.limits
    rows = [
        [limit.name, _reached(limit), f"≤ {limit.most:g}", "yes" if limit.met else "**no**"]
        for limit in found
        if not limit.picture
    ]
    tables = [table(["figure", "reached", "limit", "met"], rows)] if rows else []
    each = _limits_by_picture(run, [limit for limit in found if limit.picture])
    return "\n\n".join(["## Limits", _LIMITS, *tables, *each, *_room(run)])


def _room(run: Run) -> list[str]:
    """Return the table of the lowest ratio to each contender that the floor allows."""
    rows = []
    for other in CPU_EACH:
        ratios = run.results.ratios(contender=FLOOR, other=other, figure="cpu")
        mean = run.results.mean_ratio(contender=FLOOR, other=other, figure="cpu")
        cells = [number(ratios.get(name)) for name in run.results.pictures]
        rows.append([f"CPU of the floor ÷ {run.label(other)}", number(mean), *cells])
    return [_ROOM, table(["figure", "mean", *run.picture_labels], rows)]


def _limits_by_picture(run: Run, found: Sequence[Limit]) -> list[str]:
    """Return the table of the limits that each image has by itself."""
    if not found:
        return []
    header = ["figure of each image", *run.picture_labels]
    rows = []
    for text, most in dict.fromkeys((limit.text, limit.most) for limit in found):
        cells = {
            limit.picture: _reached(limit) if limit.met else f"**{_reached(limit)}**, no"
            for limit in found
            if (limit.text, limit.most) == (text, most)
        }
        rows.append([f"{text} ≤ {most:g}", *[cells.get(label, NONE) for label in run.picture_labels]])
    return [table(header, rows)]


def _reached(limit: Limit) -> str:
    if limit.reached is None:
        return NONE
    return number(limit.reached, digits=4 if limit.most < 0.1 else 2 if limit.most < 10 else 0)
