"""Compare Darkroom with its peers: `python -m benchmarks [--quick]`, or `make bench`."""

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
from benchmarks.inputs import GROWTH, PICTURES, Picture, make_all
from benchmarks.measurements import Measurement, Results, mean_ratios, targets
from benchmarks.places import FOLDER, REPORT, RESULTS, ROOT
from benchmarks.references import make_references
from benchmarks.report import Run, write_report
from benchmarks.rounds import Plan, measure, with_quality
from benchmarks.study import run_study
from benchmarks.versions import machine

BEGAN_AT = time.monotonic()
THOROUGH = Plan(budget=4, most=5)
QUICK = Plan(budget=1.5, most=3)
QUICK_PICTURES = {"jpeg-12.jpg", "rgba-12.png"}
# The smallest there is; every contender's process begins with it.
WARM_UP = GROWTH[0]
GROWING = ("darkroom", "sharp-best", "pyvips-best")
STEPS_OF = {"jpeg-12.jpg", "p3-48.jpg", "rgba-12.png"}
AVIF_OF = {"jpeg-12.jpg", "soft-12.jpg"}


def main() -> None:
    """Measure everything, print the report and write it."""
    options = _options()
    load = f"{os.getloadavg()[0]:.1f}"
    plan = QUICK if options.quick else THOROUGH
    pictures = [one for one in PICTURES if not options.quick or one.name in QUICK_PICTURES]
    growth = GROWTH[:4] if options.quick else GROWTH
    _say("making the pictures and their references")
    make_all([*pictures, *growth])
    make_references([picture.path for picture in [*pictures, WARM_UP]])
    results, versions = _compare(pictures, CONTENDERS, plan, judged=True)
    grown, _ = _compare(growth, [one for one in CONTENDERS if one.key in GROWING], QUICK, judged=False)
    _say("looking into Darkroom's steps, and AVIF")
    run = Run(
        contenders=CONTENDERS,
        labels={picture.name: picture.label for picture in [*PICTURES, *GROWTH]},
        results=results,
        growth=grown,
        steps={
            one.name: run_study(name="steps", source=one.path) for one in pictures if one.name in STEPS_OF
        },
        avif={one.name: run_study(name="avif", source=one.path) for one in pictures if one.name in AVIF_OF},
        versions=versions,
        machine={**machine(), "load": load},
        quick=options.quick,
    )
    _publish(run)
    _say(f"done: {RESULTS.relative_to(ROOT)}")
    for key, error in results.failures().items():
        _say(f"MISSING: {run.label(key)}: {error}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two pictures, fewer rounds, docs left alone")
    return parser.parse_args()


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
    """Print the report, and write it with all that it was made from; a quick one is not published."""
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
    main()
