"""Compare Darkroom with its peers: `python -m benchmarks [--quick | --smallest]`, or `make bench`."""

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
from benchmarks.extents import QUICK, SMALLEST, THOROUGH, Extent
from benchmarks.inputs import GROWTH, PICTURES, Picture, make_all
from benchmarks.measurements import Measurement, Results, mean_ratios, targets
from benchmarks.places import FOLDER, REPORT, RESULTS, ROOT
from benchmarks.references import make_references
from benchmarks.report import Run, write_report
from benchmarks.rounds import Plan, measure, with_quality
from benchmarks.study import Study, run_study
from benchmarks.versions import machine

BEGAN_AT = time.monotonic()
# The smallest picture; every contender's process begins with it.
WARM_UP = GROWTH[0]
GROWING = ("darkroom", "sharp-best", "pyvips-best")
STEPS_OF = {"jpeg-12.jpg", "p3-48.jpg", "rgba-12.png"}
AVIF_OF = {"jpeg-12.jpg", "soft-12.jpg"}


def main() -> int:
    """Measure everything, print the report and write it; return 1 if a contender failed or is missing."""
    extent = _extent()
    load = f"{os.getloadavg()[0]:.1f}"
    _say("making the pictures and their references")
    make_all(list(dict.fromkeys([*extent.pictures, *extent.growth, WARM_UP])))
    make_references([picture.path for picture in [*extent.pictures, WARM_UP]])
    run = _measured(extent, load=load)
    _publish(run)
    _say(f"done: {RESULTS.relative_to(ROOT)}")
    failures = run.growth.failures() | run.results.failures()
    for key, error in failures.items():
        _say(f"MISSING: {run.label(key)}: {error}")
    return 1 if failures else 0


def _extent() -> Extent:
    """Return the extent that the command line asks for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    sizes = parser.add_mutually_exclusive_group()
    sizes.set_defaults(extent=THOROUGH)
    for option, extent, text in (
        ("--quick", QUICK, "two pictures, fewer rounds, docs left alone"),
        ("--smallest", SMALLEST, "one small picture, one round, no studies, docs left alone"),
    ):
        sizes.add_argument(option, dest="extent", action="store_const", const=extent, help=text)
    chosen: Extent = parser.parse_args().extent
    return chosen


def _measured(extent: Extent, *, load: str) -> Run:
    """Return all results of a run of this extent."""
    results, versions = _compare(extent.pictures, CONTENDERS, extent.plan, judged=True)
    growing = [one for one in CONTENDERS if one.key in GROWING]
    grown, _ = _compare(extent.growth, growing, extent.growth_plan, judged=False)
    return Run(
        contenders=CONTENDERS,
        labels={picture.name: picture.label for picture in [*PICTURES, *GROWTH]},
        results=results,
        growth=grown,
        steps=_studies("steps", extent, STEPS_OF),
        avif=_studies("avif", extent, AVIF_OF),
        versions=versions,
        machine={**machine(), "load": load},
        quick=not extent.published,
    )


def _studies(name: Study, extent: Extent, pictures: set[str]) -> dict[str, Any]:
    """Return the study's results for the named pictures that belong to the extent."""
    found = {}
    for one in extent.pictures:
        if one.name in pictures:
            _say(f"studying Darkroom alone, {name}: {one.label}")
            found[one.name] = run_study(name=name, source=one.path)
    return found


def _compare(
    pictures: Sequence[Picture], contenders: Sequence[Contender], plan: Plan, *, judged: bool
) -> tuple[Results, dict[str, dict[str, str]]]:
    measurements: list[Measurement] = []
    versions: dict[str, dict[str, str]] = {}
    for picture in pictures:
        _say(f"measuring {picture.label}")
        found, told = measure(picture=picture, warm_up=WARM_UP, contenders=contenders, plan=plan)
        if judged:
            _say(f"judging {picture.label}")
            found = with_quality(measurements=found, picture=picture)
        measurements += found
        versions |= told
        shutil.rmtree(FOLDER / "work")
    return Results(measurements), versions


def _publish(run: Run) -> None:
    """Print the report, and save its data; only a thorough run also replaces the published page."""
    report = write_report(run)
    print(report)
    if not run.quick:
        REPORT.write_text(report)
    RESULTS.write_text(json.dumps(_as_json(run), indent=1))


def _as_json(run: Run) -> dict[str, Any]:
    return {
        "machine": dict(run.machine),
        "quick": run.quick,
        "versions": run.versions,
        "targets": [{**asdict(target), "met": target.met} for target in targets(run.results)],
        "mean_ratios": mean_ratios(run.results),
        "measurements": [asdict(one) for one in run.results.measurements],
        "growth": [asdict(one) for one in run.growth.measurements],
        "steps": run.steps,
        "avif": run.avif,
    }


def _say(text: str) -> None:
    seconds = time.monotonic() - BEGAN_AT
    print(f"benchmarks, {seconds:.0f} s: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
