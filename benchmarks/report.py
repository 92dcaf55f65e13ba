"""The report: one Markdown text, printed and written to `docs/benchmarks.md`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from benchmarks.catalog import Contender
from benchmarks.measurements import MEBIBYTE, Figure, Measurement, Results, geometric_mean, targets
from benchmarks.work import RENDITIONS

Rows = Sequence[Sequence[str]]

DARKROOM = "darkroom"
FLOOR = "floor"
NONE = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All results of one run."""

    contenders: Sequence[Contender]
    labels: Mapping[str, str]
    results: Results
    growth: Results
    steps: Mapping[str, Mapping[str, float]]
    avif: Mapping[str, Mapping[str, Mapping[str, float]]]
    versions: Mapping[str, Mapping[str, str]]
    machine: Mapping[str, str]
    quick: bool = False

    def label(self, contender: str) -> str:
        """Return the contender's label in tables."""
        return next(one.label for one in self.contenders if one.key == contender)

    @property
    def peers(self) -> list[str]:
        """Return every contender except Darkroom."""
        return [one.key for one in self.contenders if one.key != DARKROOM]


def write_report(run: Run) -> str:
    """Return the whole report."""
    sections = [
        _opening(run),
        _targets(run),
        _ratio_section(run, "cpu", "CPU", "Darkroom's CPU seconds, divided by the contender's."),
        _ratio_section(run, "wall", "Wall clock", _WALL.format(cores=run.machine["cores"])),
        _ratio_section(run, "peak", "Peak memory", _MEMORY.format(idle=_idle_memory(run))),
        _bytes(run),
        _quality(run),
        _steps(run),
        _growth(run),
        _avif(run),
        _figures(run),
        _contenders(run),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


_INTRODUCTION = """# Benchmarks

`make bench` wrote this page. Every contender renders nine files from one image file: 1920, 1280, 640 and
320 pixels wide, each as WebP of quality 80 and as progressive JPEG of quality 82, and a 256 × 256 centre
crop as WebP. All are upright, in sRGB, and without metadata.

A ratio is Darkroom's figure divided by the contender's: **less than 1 means that Darkroom is better**. A
mean is the geometric mean over the images. Absolute figures depend on the machine, and are at the end.
Each contender runs in a separate, warmed-up process. All take turns, and the median of five rounds
counts; if a round takes seconds, there are fewer rounds, down to one. The *floor* is one decode and nine
encodes of finished pixels, with Darkroom's encoders and settings. Its pixels come from the reference
recipe (full decode, one Lanczos resize for each size), so its files are the reference for bytes and
quality."""

_WALL = """Seconds from the file to nine files, on {cores} cores. Only Darkroom syncs its files to the
disk, as its storage does. Darkroom encodes in two threads, but its two steps run one after the other:
one core decodes, makes the thumbnail, and does the first resize. sharp in its best recipe encodes all
nine files at once on every core."""

_MEMORY = """The peak memory of a fresh process that did the work once. Darkroom's process is a complete
worker with Django, database drivers and storages. It holds {idle} MiB before the first image."""


def _opening(run: Run) -> str:
    parts = [_INTRODUCTION]
    if run.quick:
        parts.append("**This was a quick run: fewer images, fewer rounds.**")
    if float(run.machine["load"]) > 0.5:
        parts.append(
            f"**The machine was busy when this run began (load {run.machine['load']}): "
            "the CPU ratios are more reliable than the wall clock ratios.**"
        )
    parts.extend(
        f"**MISSING: {run.label(key)}** could not be measured: {error}"
        for key, error in run.results.failures().items()
    )
    return "\n\n".join(parts)


def _targets(run: Run) -> str:
    rows = [
        [
            target.text,
            NONE
            if target.reached is None
            else _number(target.reached, digits=4 if target.limit < 0.1 else 2),
            f"≤ {target.limit:g}",
            "yes" if target.met else "**no**",
        ]
        for target in targets(run.results)
    ]
    return "## Targets\n\n" + _table(["figure", "reached", "target", "met"], rows)


def _ratio_section(run: Run, figure: Figure, title: str, text: str) -> str:
    rows = [_ratio_row(run, peer, figure) for peer in run.peers if not (figure == "peak" and peer == FLOOR)]
    header = ["Darkroom ÷", "mean", *_picture_labels(run)]
    return f"## {title}\n\n{text}\n\n{_table(header, rows)}"


def _ratio_row(run: Run, peer: str, figure: Figure) -> list[str]:
    ratios = run.results.ratios(contender=DARKROOM, other=peer, figure=figure)
    if not ratios:
        return [run.label(peer), "**missing**", *[NONE] * len(run.results.pictures)]
    cells = [_number(ratios.get(name)) for name in run.results.pictures]
    return [run.label(peer), f"**{_number(geometric_mean(ratios.values()))}**", *cells]


def _idle_memory(run: Run) -> str:
    found = [run.results.get(DARKROOM, name) for name in run.results.pictures]
    return _number(max((one.idle_peak / MEBIBYTE for one in found if one), default=None), digits=0)


def _bytes(run: Run) -> str:
    rows = []
    for one in run.contenders:
        ratios = run.results.byte_ratios(contender=one.key, other=FLOOR)
        cells = [_number(ratios.get(name)) for name in run.results.pictures]
        rows.append([one.label, f"**{_number(geometric_mean(ratios.values()))}**", *cells])
    text = "Total bytes of the nine files, divided by those of the reference recipe."
    header = ["contender ÷ reference recipe", "mean", *_picture_labels(run)]
    return f"## Bytes\n\n{text}\n\n{_table(header, rows)}"


_QUALITY = """The columns of renditions are SSIM on luminance against the reference, on a white
background, averaged over the images. *Lost* is the difference from the reference recipe, for the worst
rendition of the worst image. *Colour* is the largest error of a file's mean colour, out of 255: about 10
for an ignored profile, about 90 if transparency became a colour other than white in JPEG. *Metadata* is
"yes" if any file contains metadata or a profile."""


def _quality(run: Run) -> str:
    header = ["contender", "lost", "colour", "metadata", *[rendition.name for rendition in RENDITIONS]]
    rows = [_quality_row(run, one.key) for one in run.contenders]
    return f"## Quality\n\n{_QUALITY}\n\n{_table(header, rows)}"


def _quality_row(run: Run, contender: str) -> list[str]:
    found = [run.results.get(contender, name) for name in run.results.pictures]
    qualities = [one.qualities for one in found if one]
    if not qualities:
        return [run.label(contender), "**missing**", *[NONE] * (len(RENDITIONS) + 2)]
    losses = run.results.quality_losses(contender=contender, other=FLOOR)
    each = [quality for one in qualities for quality in one.values()]
    return [
        run.label(contender),
        _number(max(losses.values(), default=None), digits=4),
        _number(max(quality.color_error for quality in each), digits=1),
        "yes" if any(quality.metadata for quality in each) else "no",
        *[_number(mean(one[rendition.name].ssim for one in qualities), digits=4) for rendition in RENDITIONS],
    ]


_STEPS = """Milliseconds of CPU in one thread, in a process that has rendered the image before. Each step
excludes the steps that it calls. An image that is cheap to decode is decoded twice: small for the
thumbnail, and larger for the other sizes. An expensive one is decoded once, and its pixels are handed
over. The *floor*, measured with the contenders, is the minimum for any recipe on the same libraries."""


def _steps(run: Run) -> str:
    if not run.steps:
        return ""
    names = dict.fromkeys(name for costs in run.steps.values() for name in costs)
    rows = [
        [step, *[_number(1000 * costs.get(step, 0), digits=0) for costs in run.steps.values()]]
        for step in names
    ]
    totals = [_number(1000 * sum(costs.values()), digits=0) for costs in run.steps.values()]
    floors = [run.results.get(FLOOR, picture) for picture in run.steps]
    floor = [_number(1000 * one.cpu if one else None, digits=0) for one in floors]
    header = ["step", *[run.labels[picture] for picture in run.steps]]
    table = _table(header, [*rows, ["together", *totals], ["*floor*", *floor]])
    return f"## Darkroom, step by step\n\n{_STEPS}\n\n{table}"


def _growth(run: Run) -> str:
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
    text = "The same work on JPEGs of one scene, from 1 to 200 megapixels."
    return f"## Growth\n\n{text}\n\n{_table(header, rows)}"


def _growth_cells(one: Measurement | None) -> list[str]:
    return [_number(one.cpu), _number(one.peak / MEBIBYTE, digits=0)] if one else ["**missing**", NONE]


_AVIF = """The cost of encoding one rendition, 1280 pixels wide, in each format at Darkroom's defaults
(AVIF: quality 60, speed 8, one thread)."""


def _avif(run: Run) -> str:
    rows: list[list[str]] = []
    for picture, formats in run.avif.items():
        webp = formats["webp"]
        rows.extend(
            [
                run.labels[picture],
                name.upper() if name != "webp" else "WebP",
                _number(1000 * found["cpu"], digits=0),
                _number(found["cpu"] / webp["cpu"]),
                _number(found["byte_size"] / 1000, digits=0),
                _number(found["byte_size"] / webp["byte_size"]),
                _number(found["ssim"], digits=4),
            ]
            for name, found in formats.items()
        )
    header = ["picture", "format", "CPU, ms", "÷ WebP", "kB", "÷ WebP", "SSIM"]
    return f"## AVIF\n\n{_AVIF}\n\n{_table(header, rows, words=2)}" if rows else ""


def _figures(run: Run) -> str:
    parts = ["## The figures themselves"]
    for figure, title in (
        ("cpu", "Seconds of CPU"),
        ("wall", "Seconds of wall clock"),
        ("peak", "Peak memory, MiB"),
    ):
        rows = [
            [one.label, *[_figure(run.results.get(one.key, name), figure) for name in run.results.pictures]]
            for one in run.contenders
            if not (figure == "peak" and one.key == FLOOR)
        ]
        parts.append(_table([title, *_picture_labels(run)], rows))
    return "\n\n".join(parts)


def _figure(one: Measurement | None, figure: str) -> str:
    if one is None:
        return NONE
    return _number(one.peak / MEBIBYTE, digits=0) if figure == "peak" else _number(getattr(one, figure))


def _contenders(run: Run) -> str:
    rows = [
        [one.label, one.recipe, ", ".join(f"{name} {text}" for name, text in _versions(run, one.key))]
        for one in run.contenders
    ]
    machine = run.machine
    surroundings = (
        f"Python {machine['python']} on {machine['system']}, {machine['cores']} cores; "
        f"Pillow with {machine['codecs']}."
    )
    table = _table(["contender", "method", "versions"], rows, words=3)
    return f"## Who is who\n\n{table}\n\n{surroundings}"


def _versions(run: Run, contender: str) -> list[tuple[str, str]]:
    return list(run.versions.get(contender, {}).items())


def _picture_labels(run: Run) -> list[str]:
    return [run.labels[name] for name in run.results.pictures]


def _number(value: float | None, *, digits: int = 2) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _table(header: Sequence[str], rows: Rows, *, words: int = 1) -> str:
    """Return a table, aligned in the source too; the first `words` columns hold words, the rest figures."""
    cells = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    rule = ["-" * (width + 1) + ("-" if column < words else ":") for column, width in enumerate(widths)]
    lines = [f"| {' | '.join(_padded(row, widths, words))} |" for row in cells]
    return "\n".join([lines[0], f"|{'|'.join(rule)}|", *lines[1:]])


def _padded(row: Sequence[str], widths: Sequence[int], words: int) -> list[str]:
    return [
        cell.ljust(width) if column < words else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
