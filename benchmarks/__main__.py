"""Compare Darkroom with its peers: `python -m benchmarks`, or `make bench`."""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.catalog import CONTENDERS, Contender
from benchmarks.extents import QUICK, SMALLEST, THOROUGH, Extent, Plan, only
from benchmarks.inputs.pictures import GROWTH, PICTURES, Picture, make_all
from benchmarks.measurements import Measurement, Results, mean_ratios
from benchmarks.places import CORPUS, FOLDER, REPORT, RESULTS, ROOT, WORST
from benchmarks.quality.judging import with_quality
from benchmarks.quality.references import make_references
from benchmarks.quality.versus_sharp import compare_formats
from benchmarks.report.page import worst_table, write_report
from benchmarks.report.run import Run
from benchmarks.rounds import measure
from benchmarks.study import Study, run_study
from benchmarks.versions import machine

BEGAN_AT = time.monotonic()
# The smallest picture; every contender's process begins with it.
WARM_UP = GROWTH[0]
GROWING = ("darkroom", "sharp-best", "pyvips-best")


def main() -> int:
    """Measure what the command line asks for; return 1 if a contender failed, or with `--json` a limit."""
    arguments = _arguments()
    if arguments.worst:
        return _worst()
    extent: Extent = only(arguments.only) if arguments.only else arguments.extent
    load = f"{os.getloadavg()[0]:.1f}"
    _say("making the pictures and their references")
    make_all(list(dict.fromkeys([*extent.pictures, *extent.growth, WARM_UP])))
    make_references([picture.path for picture in [*extent.pictures, WARM_UP]])
    run = _measured(extent, load=load)
    _publish(run, as_json=arguments.json)
    _say(f"done: {RESULTS.relative_to(ROOT)}")
    texts, code = run.verdict(strict=arguments.json)
    for text in texts:
        _say(text)
    return code


def _arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    sizes = parser.add_mutually_exclusive_group()
    sizes.set_defaults(extent=THOROUGH)
    for option, extent, text in (
        ("--quick", QUICK, "two pictures, fewer rounds, docs left alone"),
        ("--smallest", SMALLEST, "two small pictures, one round, docs left alone"),
    ):
        sizes.add_argument(option, dest="extent", action="store_const", const=extent, help=text)
    names = [picture.name for picture in PICTURES]
    sizes.add_argument("--only", choices=names, metavar="PICTURE", help=f"one of {', '.join(names)}")
    sizes.add_argument(
        "--worst",
        action="store_true",
        help=f"only list the worst renditions of the corpus, and draw them in {WORST.relative_to(ROOT)}",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the figures as JSON, and end with 1 if a limit is missed"
    )
    return parser.parse_args()


def _worst() -> int:
    """Print the worst renditions of the corpus, and write each beside its reference."""
    _say(f"rendering the corpus and judging each rendition; pictures in {WORST.relative_to(ROOT)}")
    print(worst_table(run_study(name="worst", source=CORPUS, folder=WORST)))
    return 0


def _measured(extent: Extent, *, load: str) -> Run:
    """Return all results of a run of this extent."""
    results, versions = _compare(extent.pictures, CONTENDERS, extent.plan, judged=True)
    growing = [one for one in CONTENDERS if one.key in GROWING]
    grown, _ = _compare(extent.growth, growing, extent.growth_plan, judged=False)
    formats = _studies("formats", extent.formats)
    _say("comparing the bytes at equal quality with sharp's")
    return Run(
        contenders=CONTENDERS,
        labels={picture.name: picture.label for picture in [*PICTURES, *GROWTH]},
        results=results,
        growth=grown,
        steps=_studies("steps", extent.studied),
        formats=formats,
        equal=compare_formats(extent.formats, formats),
        versions=versions,
        machine={**machine(), "load": load},
        quick=not extent.published,
    )


def _studies(name: Study, pictures: Sequence[Picture]) -> dict[str, Any]:
    """Return the study's results for the pictures."""
    found = {}
    for one in pictures:
        _say(f"studying Darkroom alone, {name}: {one.label}")
        found[one.name] = run_study(name=name, source=one.path, folder=FOLDER / "work" / name)
    return found


def _compare(
    pictures: Sequence[Picture], contenders: Sequence[Contender], plan: Plan, *, judged: bool
) -> tuple[Results, dict[str, dict[str, str]]]:
    scored = [one.key for one in contenders if one.scored]
    measurements: list[Measurement] = []
    versions: dict[str, dict[str, str]] = {}
    for picture in pictures:
        _say(f"measuring {picture.label}")
        found, told = measure(picture=picture, warm_up=WARM_UP, contenders=contenders, plan=plan)
        if judged:
            _say(f"judging {picture.label}")
            found = with_quality(measurements=found, picture=picture, scored=scored)
        measurements += found
        versions |= told
        shutil.rmtree(FOLDER / "work")
    return Results(measurements), versions


def _publish(run: Run, *, as_json: bool) -> None:
    """Print the report or the figures, and save both; only a thorough run replaces the published page."""
    report, figures = write_report(run), json.dumps(_as_json(run), indent=1)
    print(figures if as_json else report)
    if not run.quick:
        REPORT.write_text(report)
    RESULTS.write_text(figures)


def _as_json(run: Run) -> dict[str, Any]:
    return {
        "machine": dict(run.machine),
        "quick": run.quick,
        "versions": run.versions,
        "limits": [{**asdict(limit), "met": limit.met} for limit in run.limits],
        "mean_ratios": mean_ratios(run.results),
        "measurements": [asdict(one) for one in run.results.measurements],
        "growth": [asdict(one) for one in run.growth.measurements],
        "steps": run.steps,
        "formats": run.formats,
        "equal_quality": {
            picture: {format: {**asdict(one), "ratio": one.ratio} for format, one in formats.items()}
            for picture, formats in run.equal.items()
        },
    }


def _say(text: str) -> None:
    seconds = time.monotonic() - BEGAN_AT
    print(f"benchmarks, {seconds:.0f} s: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
