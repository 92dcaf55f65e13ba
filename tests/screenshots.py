"""Take screenshots of all states of the site (`make screenshots`), or of some (`ARGS="--only sign_in"`).

A separate system is started in a temporary folder, and stopped at the end. All screenshots are written to
`var/screenshots`. The few that the README shows are also written to `docs/screenshots`, compressed.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Collection
from io import BytesIO
from itertools import product
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from tests.journeys import chromium
from tests.journeys.browsing import wait_for
from tests.journeys.chromium import DESK, PHONE, SCHEMES, Scheme, Screen
from tests.journeys.stage import Stage
from tests.journeys.states import STATES
from tests.system import System

ROOT = Path(__file__).resolve().parents[1]
ALL = ROOT / "var" / "screenshots"
SHOWN = ROOT / "docs" / "screenshots"
# The README's screenshots by state, screen and scheme: the file name, and the topmost element.
README: dict[tuple[str, Screen, Scheme], tuple[str, str]] = {
    ("queue_sending", DESK, "light"): ("gallery", "body"),
    ("image_ready", DESK, "light"): ("image", "body"),
    ("gallery_full", PHONE, "dark"): ("phone", "#filters"),
}
# The number of Mira's images and their side in pixels: for the README, and the minimum for every state.
LARGE_STAGE, SMALL_STAGE = (24, 1920), (4, 640)
# The maximum size of a screenshot in the README.
MOST_BYTES = 60_000
# The system does not read `.env`, because all files are in its own folder.
OWN = {
    "DEBUG": "0",
    "EMAIL_URL": "",
    "ENV_FILE": os.devnull,
    "S3_BUCKET": "",
    "WEBHOOK_PRIVATE_ADDRESSES": "1",
}
# Pictures below the screen are loaded lazily.
LOAD_ALL = "() => document.querySelectorAll('img').forEach((image) => (image.loading = 'eager'))"
DRAWN = "() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
# A page without a connection loads no pictures.
ALL_LOADED = """() => !navigator.onLine ||
  [...document.images].every((image) => image.complete && image.naturalWidth > 0)"""


def main() -> int:
    """Take the screenshots, print where they are, and return the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")
    states = wanted_states()
    browser_path = chromium.path()
    if browser_path is None:
        print("There is no Chromium; install it, or set CHROMIUM to its path.", file=sys.stderr)
        return 1
    for folder in (ALL, SHOWN):
        folder.mkdir(parents=True, exist_ok=True)
    for path in pictures_of(states):
        path.unlink()
    with tempfile.TemporaryDirectory(prefix="darkroom-screenshots-") as name:
        take_all(Path(name), browser_path, states)
    print(f"{len(pictures_of(states))} pictures are in {ALL}, those of the README in {SHOWN}.")
    return 0


def wanted_states() -> Collection[str]:
    """Return the states that the command line selects."""
    parser = argparse.ArgumentParser(prog="make screenshots", description="Take a picture of each state.")
    parser.add_argument("--only", nargs="+", choices=STATES, default=STATES, metavar="STATE")
    only: Collection[str] = parser.parse_args().only
    return only


def pictures_of(states: Collection[str]) -> list[Path]:
    """Return the screenshots of these states."""
    return [path for path in ALL.glob("*.png") if path.name.split("-")[0] in states]


def take_all(folder: Path, browser_path: str, states: Collection[str]) -> None:
    """Start a system in `folder`, and take a screenshot of each state on each screen."""
    system = System(folder, **OWN, DATABASE_URL=f"sqlite:///{folder / 'db.sqlite3'}")
    pictures = folder / "pictures"
    pictures.mkdir()
    images, side = LARGE_STAGE if any(state in states for state, *_ in README) else SMALL_STAGE
    with (
        (ALL / "system.log").open("w") as log,
        contextlib.redirect_stdout(log),
        system.ready(),
        chromium.launched(browser_path) as browser,
        Stage(system=system, browser=browser, folder=pictures, side=side).set(images=images) as stage,
    ):
        for stage.screen, name in product((DESK, PHONE), states):
            print(f"{name}, {stage.screen.width} pixels wide", file=sys.stderr)
            with STATES[name](stage) as page:
                take(page, name, stage.screen)


def take(page: Page, name: str, screen: Screen) -> None:
    """Take a light and a dark screenshot of a state."""
    page.evaluate(LOAD_ALL)
    wait_for(page, ALL_LOADED)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.evaluate(DRAWN)
        # The queue has a fixed position, so a full-page screenshot would misplace it.
        whole = page.locator("#queue, #drop-target").locator("visible=true").count() == 0
        page.screenshot(path=ALL / f"{name}-{screen.width}-{scheme}.png", full_page=whole)
        if (name, screen, scheme) in README:
            file, top = README[name, screen, scheme]
            page.locator(top).evaluate("element => element.scrollIntoView()")
            save_small(page.screenshot(), SHOWN / f"{file}.webp")


def save_small(png: bytes, path: Path) -> None:
    """Write a picture as WebP, in the best quality that fits."""
    picture = Image.open(BytesIO(png)).convert("RGB")
    for quality in range(90, 20, -5):
        picture.save(path, quality=quality, method=6)
        if path.stat().st_size < MOST_BYTES:
            return
    raise ValueError(f"{path} does not fit into {MOST_BYTES} bytes.")


if __name__ == "__main__":
    sys.exit(main())
