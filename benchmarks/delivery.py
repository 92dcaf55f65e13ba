"""Measure how fast images go out: `python -m benchmarks.delivery`, or `make bench-delivery`."""

import argparse
import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from benchmarks.places import FOLDER, ROOT
from benchmarks.report.tables import number, table
from benchmarks.versions import machine
from deploy.ports import HOST, any_free_port
from tests.faults.person import Person
from tests.shipped_nginx import ShippedNginx
from tests.system import System, wait_until

# All files of the measured system. They stay until the next run.
PLACE = FOLDER / "delivery"
PHOTOGRAPH = ROOT / "docs" / "screenshots" / "image.webp"
# The share of the requests a second of nginx alone that a cached permanent URL has to reach.
WANTED = 0.5
# The measured system does not read `.env`, and has no bucket.
OWN = {"DEBUG": "0", "ENV_FILE": os.devnull, "S3_BUCKET": "", "DELIVERY": "accel", "LOG_LEVEL": "ERROR"}
ACCEPT = "image/avif,image/webp,image/apng,*/*;q=0.8"
# An nginx that serves the renditions without asking anyone.
_PLAIN = """
server {{
    listen {host}:{port};
    root {media};
    types {{ image/webp webp; }}
}}
"""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured: rounds, seconds of each, and connections."""

    rounds: int
    seconds: int
    connections: int = 16


THOROUGH, SMALLEST = Extent(rounds=3, seconds=5), Extent(rounds=1, seconds=1)


def main() -> int:
    """Measure each way, and print requests a second; return 1 if a cached image is too slow."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")
    # End like Ctrl-C, which also ends the system.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(prog="make bench-delivery", description=__doc__)
    parser.add_argument(
        "--smallest",
        dest="extent",
        action="store_const",
        const=SMALLEST,
        default=THOROUGH,
        help="one second each",
    )
    extent: Extent = parser.parse_args().extent
    if not shutil.which("wrk"):
        sys.exit("There is no wrk; on Debian and Ubuntu: apt-get install wrk curl nginx-light")
    about = {**machine(), "load": f"{os.getloadavg()[0]:.1f}"}
    rates = _measured(extent)
    floor = next(iter(rates.values()))
    rows = [[name, number(rate, digits=0), number(rate / floor)] for name, rate in rates.items()]
    print(table(["way", "requests a second", "÷ nginx alone"], rows))
    print(f"\nPython {about['python']} on {about['system']}, {about['cores']} cores, load {about['load']}.")
    is_slow = rates["permanent URL, shipped site"] < WANTED * floor
    # A second is too short to say.
    return 1 if is_slow and extent is not SMALLEST else 0


def _measured(extent: Extent) -> dict[str, float]:
    """Return the requests a second of each way on a fresh system; the median of the rounds."""
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    plain = any_free_port()
    environment = {
        "DEBUG": "0",
        "ENV_FILE": os.devnull,
        "S3_BUCKET": "",
        "DELIVERY": "accel",
        "LOG_LEVEL": "ERROR",
    }
    system = System(PLACE, **environment)
    media = PLACE / "media"
    nginx = ShippedNginx(
        PLACE / "nginx",
        web=system.port,
        media=media,
        extra=_PLAIN.format(host=HOST, port=plain, media=media),
    )
    # At its end, the system prints its log, which is also in its folder.
    with contextlib.redirect_stdout(io.StringIO()), system.ready(), nginx.running():
        upload = _uploaded(system)
        address = next(
            row["url"] for row in upload["renditions"] if (row["preset"], row["format"]) == ("medium", "webp")
        )
        path, picture = urlsplit(address).path, f"/i/{upload['id']}/medium"
        (file,) = media.rglob(path.rpartition("/")[2])
        ways = {
            "nginx alone, the file": (f"{HOST}:{plain}/{file.relative_to(media)}", {}),
            "permanent URL, shipped site": (f"{HOST}:{nginx.port}{path}", {}),
            "/i/…, shipped site": (f"{HOST}:{nginx.port}{picture}", {}),
            # A query passes the cache by, as a private link does.
            "/i/…, accel without the cache": (f"{HOST}:{nginx.port}{picture}?private", {}),
            "/i/…, the web server alone": (f"{HOST}:{system.port}{picture}", {"X-Accel-Failed": "1"}),
        }
        rounds = [
            {name: _rate(url, headers, file, extent) for name, (url, headers) in ways.items()}
            for _ in range(extent.rounds)
        ]
    return {name: median(one[name] for one in rounds) for name in ways}


def _uploaded(system: System) -> dict[str, Any]:
    """Send the photograph, and return the upload when it is ready."""
    token = system.manage("drf_create_token", "demo").stdout.split()[2]
    person = Person(name="demo", token=token, session="", port=system.port)
    url = f"/api/uploads/{person.send(PHOTOGRAPH.read_bytes()).json()['id']}/"
    wait_until(lambda: person.request("GET", url).json()["status"] == "ready")
    found: dict[str, Any] = person.request("GET", url).json()
    return found


def _rate(url: str, headers: Mapping[str, str], file: Path, extent: Extent) -> float:
    """Return the requests a second of one URL; fail if an answer is not the file."""
    options = [f"-c{extent.connections}", "-t1", f"-d{extent.seconds}s", "-H", f"Accept: {ACCEPT}"]
    options += [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    # A fast answer could be an empty one.
    command = ["curl", "--silent", "--fail", *options[3:], f"http://{url}"]
    body = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    assert body == file.read_bytes(), url
    done = subprocess.run(
        ["wrk", *options, f"http://{url}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=extent.seconds + 60,
    )
    assert "Non-2xx" not in done.stdout, done.stdout
    rate = re.search(r"Requests/sec: +([\d.]+)", done.stdout)
    assert rate, done.stdout
    return float(rate[1])


if __name__ == "__main__":
    sys.exit(main())
