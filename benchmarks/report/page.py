"""The report: one Markdown text, printed and written to `docs/benchmarks.md`."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report.cost import cost_sections, growth_section, step_section
from benchmarks.report.output import byte_section, equal_quality_section, format_section, quality_section
from benchmarks.report.run import Run
from benchmarks.report.tables import number, table
from benchmarks.report.targets import limit_section


def write_report(run: Run) -> str:
    """Return the whole report."""
    sections = [
        _opening(run),
        limit_section(run),
        *cost_sections(run),
        byte_section(run),
        quality_section(run),
        equal_quality_section(run),
        step_section(run),
        growth_section(run),
        format_section(run),
        _contenders(run),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


_INTRODUCTION = """# Benchmarks

`make bench` wrote this page. Every contender renders up to nine files from one image file: 1920, 1280, 640
and 320 pixels wide, each as WebP of quality 80 and as progressive JPEG of quality 82, and a 256 × 256 centre
crop as WebP. All are upright, in sRGB, and without metadata. No image is enlarged, and sizes that would be
equal are rendered once. The WebP files of an animation are animated.

A ratio is Darkroom's figure divided by the contender's, as a geometric mean over the still images: **less
than 1 means that Darkroom is better**. A dash means that the contender cannot read the image: no prebuilt
sharp or pyvips decodes HEIC. The other figures depend on the machine, which is named at the end.

Each contender runs in a separate, warmed-up process. All take turns, and the median of five rounds counts, or
of fewer, down to one, if a round takes seconds.

The *floor* is the least work of any renderer: one decode, one resize to the largest size with the fastest
resampler (cykooz-resizer, Lanczos), and the encodes of finished pixels, with Darkroom's encoders and
settings. Its pixels come from the reference recipe (full decode, one Lanczos resize for each size), so its
files are the reference for bytes and quality."""


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
        for key, error in run.failures().items()
    )
    parts.extend(f"{run.label(key)} is optional, and is not installed here." for key in run.absent)
    return "\n\n".join(parts)


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
    header = ["contender", "method", "versions"]
    return f"## Who is who\n\n{table(header, rows, words=3)}\n\n{surroundings}"


def _versions(run: Run, contender: str) -> list[tuple[str, str]]:
    return list(run.versions.get(contender, {}).items())


def worst_table(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of the corpus' worst renditions."""
    rows = [
        [one["file"], f"{one['preset']}.{one['format']}", one["picture"], number(one["score"], digits=1)]
        for one in found
    ]
    return table(["file", "rendition", "picture", "SSIMULACRA2"], rows, words=3)
