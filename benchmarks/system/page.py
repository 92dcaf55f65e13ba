"""The report: one Markdown text, printed and written to `docs/benchmarks-system.md`."""

from collections.abc import Mapping
from statistics import median

from benchmarks.report.tables import number, table
from benchmarks.system.extents import Extent
from benchmarks.system.figures import Figures, percentile_95

_INTRODUCTION = """# Benchmarks of the whole system

`make bench-system` wrote this page. It starts the whole system as `make run` does, with SQLite and the
embedded Redis, and sends photographs over HTTP. One person sends a batch of {photographs} photographs
({picture}, each with other bytes) over {connections} connections. Another person sends the same photograph
again and again, with a pause of {pause:g} s: alone, during the batch, and while `reprocess --all --force`
renders everything anew. The clock runs from the beginning of the request until the thumbnail is there."""

_LIMITS = """The limits are in `benchmarks/system/figures.py`, and `make bench-system ARGS=--json` ends with
1 if one is missed."""


def write_report(figures: Figures, *, extent: Extent, machine: Mapping[str, str]) -> str:
    """Return the whole report."""
    introduction = _INTRODUCTION.format(
        photographs=extent.photographs,
        picture=extent.picture.label,
        connections=extent.connections,
        pause=extent.pause,
    )
    notes = [] if extent.published else ["**This was a short run.**"]
    if float(machine["load"]) > 0.5:
        notes.append(f"**The machine was busy when this run began (load {machine['load']}).**")
    limits = table(
        ["figure", "reached", "limit", "met"],
        [
            [limit.text, number(limit.reached), f"≤ {limit.most:g}", "yes" if limit.met else "**no**"]
            for limit in figures.limits
        ],
    )
    surroundings = f"Python {machine['python']} on {machine['system']}, {machine['cores']} cores."
    sections = [
        introduction,
        *notes,
        f"## Limits\n\n{_LIMITS}\n\n{limits}",
        f"## Seconds\n\n{_batch(figures)}\n\n{_waits(figures)}",
        surroundings,
    ]
    return "\n\n".join(sections) + "\n"


def _batch(figures: Figures) -> str:
    rows = [
        ["last thumbnail", number(figures.last_thumbnail, digits=1)],
        ["all sizes ready", number(figures.all_ready, digits=1)],
    ]
    return table(["the batch", "s after its first request"], rows)


def _waits(figures: Figures) -> str:
    stages = {
        "alone": figures.alone,
        "during the batch": figures.meanwhile,
        "while everything is reprocessed": figures.reprocessing,
    }
    rows = [
        [name, str(len(waits)), *[number(one) for one in (median(waits), percentile_95(waits), max(waits))]]
        for name, waits in stages.items()
    ]
    return table(["another person's thumbnail", "photographs", "median", "p95", "longest"], rows)
