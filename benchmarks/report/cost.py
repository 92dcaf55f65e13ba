"""The costs: CPU, wall clock and memory, with the mean ratio to each contender."""

from benchmarks.limits import MEBIBYTE
from benchmarks.measurements import Figure, Measurement
from benchmarks.report.run import DARKROOM, FLOOR, SHARP, Run
from benchmarks.report.tables import NONE, mean_cell, number, table

_WALL = """Seconds from the file to the written files, on {cores} cores. Only Darkroom syncs its files to the
disk, as its storage does. It encodes in two threads, but its two steps run in turn: one core decodes, makes
the thumbnail, and does the first resize. sharp in its best recipe encodes all files at once on every core."""

_MEMORY = """MiB of a fresh process that did the work once. Darkroom has two: a complete worker with Django,
database drivers and storages, and its renderer. Pages that they share count twice. They hold {idle} MiB
before the first image."""


def cost_sections(run: Run) -> list[str]:
    """Return the sections of the costs: CPU, wall clock and memory."""
    return [
        _cost_section(run, "cpu", "CPU", "Seconds of CPU."),
        _cost_section(run, "wall", "Wall clock", _WALL.format(cores=run.machine["cores"])),
        _cost_section(run, "peak", "Peak memory", _MEMORY.format(idle=_idle_memory(run))),
    ]


def _cost_section(run: Run, figure: Figure, title: str, text: str) -> str:
    rows = [
        _cost_row(run, one.key, figure)
        for one in run.contenders
        if not (figure == "peak" and one.key == FLOOR)
    ]
    return f"## {title}\n\n{text}\n\n{table(['contender', 'ratio', *run.picture_labels], rows)}"


def _cost_row(run: Run, contender: str, figure: Figure) -> list[str]:
    mean_ratio = run.results.mean_ratio(contender=DARKROOM, other=contender, figure=figure)
    cells = [_figure(run.results.get(contender, name), figure) for name in run.results.pictures]
    return [run.label(contender), mean_cell(run, contender, mean_ratio), *cells]


def _figure(one: Measurement | None, figure: Figure) -> str:
    if one is None:
        return NONE
    return number(one.peak / MEBIBYTE, digits=0) if figure == "peak" else number(getattr(one, figure))


def _idle_memory(run: Run) -> str:
    found = [run.results.get(DARKROOM, name) for name in run.results.pictures]
    return number(max((one.idle_peak / MEBIBYTE for one in found if one), default=None), digits=0)


_STEPS = """Milliseconds of CPU in one thread, in a process that has rendered the image before. Each step
excludes the steps that it calls. An image that is cheap to decode is decoded twice: small for the
thumbnail, and larger for the other sizes. An expensive one is decoded once, and its pixels are handed
over. All contenders encode with the same libraries at the same effort. So the share of the encoders in
sharp's CPU shows how far a ratio can fall."""


def step_section(run: Run) -> str:
    """Return the section of Darkroom's steps, or nothing if they were not studied."""
    if not run.steps:
        return ""
    names = dict.fromkeys(name for costs in run.steps.values() for name in costs)
    rows = [
        [step, *[number(1000 * costs.get(step, 0), digits=0) for costs in run.steps.values()]]
        for step in names
    ]
    totals = [number(1000 * sum(costs.values()), digits=0) for costs in run.steps.values()]
    floors = [run.results.get(FLOOR, picture) for picture in run.steps]
    floor = [number(1000 * one.cpu if one else None, digits=0) for one in floors]
    header = ["step", *[run.labels[picture] for picture in run.steps]]
    shares = [number(_encoders_share(run, picture)) for picture in run.steps]
    last = [["together", *totals], ["*floor*", *floor], [f"*encoders ÷ {run.label(SHARP)}*", *shares]]
    return f"## Darkroom, step by step\n\n{_STEPS}\n\n{table(header, [*rows, *last])}"


def _encoders_share(run: Run, picture: str) -> float | None:
    """Return the seconds that Darkroom's encoders take, divided by all that sharp takes."""
    sharp = run.results.get(SHARP, picture)
    encoding = sum(cost for step, cost in run.steps[picture].items() if step.startswith("encode"))
    return encoding / sharp.cpu if sharp else None


def growth_section(run: Run) -> str:
    """Return the section of growing pictures, or nothing if none was measured."""
    if not run.growth.pictures:
        return ""
    header = ["megapixels"]
    for contender in run.growth.contenders:
        header += [f"{run.label(contender)}: CPU, s", "peak, MiB"]
    rows = []
    for picture in run.growth.pictures:
        row = [run.labels[picture]]
        for contender in run.growth.contenders:
            row += _growth_cells(run.growth.get(contender, picture))
        rows.append(row)
    text = "The same work on JPEGs of one scene."
    return f"## Growth\n\n{text}\n\n{table(header, rows)}"


def _growth_cells(one: Measurement | None) -> list[str]:
    return [number(one.cpu), number(one.peak / MEBIBYTE, digits=0)] if one else ["**missing**", NONE]
