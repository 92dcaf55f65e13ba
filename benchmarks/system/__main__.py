"""Measure the whole system as it runs: `python -m benchmarks.system`, or `make bench-system`."""

import argparse
import contextlib
import io
import json
import os
import shutil
import signal
import sys
from dataclasses import asdict

from benchmarks.inputs.pictures import make_all
from benchmarks.limits import missed
from benchmarks.places import FOLDER, ROOT, SYSTEM_REPORT
from benchmarks.system.extents import QUICK, SMALLEST, THOROUGH, Extent
from benchmarks.system.figures import Figures
from benchmarks.system.page import write_report
from benchmarks.system.stages import measure
from benchmarks.versions import machine
from tests.system import System

# All files of the measured system. They stay until the next run.
PLACE = FOLDER / "system"
# The measured system does not read `.env`, and has no bucket.
OWN = {
    "DEBUG": "0",
    "ENV_FILE": os.devnull,
    "S3_BUCKET": "",
    "UPLOADS_PER_PERSON": "0",
    "UPLOADS_PER_ADDRESS": "0",
}


def main() -> int:
    """Measure what the command line asks for; return 1 if, with `--json`, a limit is missed."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")
    # End like Ctrl-C, which also ends the system.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = _arguments()
    extent: Extent = arguments.extent
    about = {**machine(), "load": f"{os.getloadavg()[0]:.1f}"}
    make_all([extent.picture])
    found = _measured(extent)
    report = write_report(found, extent=extent, machine=about)
    limits = [{**asdict(limit), "met": limit.met} for limit in found.limits]
    as_json = json.dumps({"machine": about, "limits": limits, "figures": asdict(found)}, indent=1)
    print(as_json if arguments.json else report)
    if extent.published:
        SYSTEM_REPORT.write_text(report)
    misses = missed(found.limits)
    for text in misses:
        print(f"MISSED: {text}", file=sys.stderr)
    return 1 if misses and arguments.json else 0


def _arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="make bench-system", description=__doc__)
    sizes = parser.add_mutually_exclusive_group()
    sizes.set_defaults(extent=THOROUGH)
    for option, extent, text in (
        ("--quick", QUICK, "a smaller batch, docs left alone"),
        ("--smallest", SMALLEST, "a few small pictures, docs left alone"),
    ):
        sizes.add_argument(option, dest="extent", action="store_const", const=extent, help=text)
    parser.add_argument(
        "--json", action="store_true", help="print the figures as JSON, and end with 1 if a limit is missed"
    )
    return parser.parse_args()


def _measured(extent: Extent) -> Figures:
    """Return the figures of a fresh system, which is stopped at the end."""
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    print(f"measuring the system in {PLACE.relative_to(ROOT)}", file=sys.stderr, flush=True)
    system = System(PLACE, **OWN)
    # At its end, the system prints its log, which is also in its folder.
    with contextlib.redirect_stdout(io.StringIO()), system.ready():
        return measure(system, extent)


if __name__ == "__main__":
    sys.exit(main())
