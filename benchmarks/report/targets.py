"""The limits, each with the figure that was reached."""

from collections.abc import Sequence

from benchmarks.limits import Limit
from benchmarks.report.run import Run
from benchmarks.report.tables import NONE, number, table

_LIMITS = "A figure above its limit is marked. The limits are in `benchmarks/limits.py`."


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
    return "\n\n".join(["## Limits", _LIMITS, *tables, *each])


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
