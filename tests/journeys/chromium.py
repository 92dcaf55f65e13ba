"""A real browser and the screen sizes of the tests."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from playwright.sync_api import Browser, Page, sync_playwright

# The browser must not make its own requests, because test machines may be offline.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen size. A phone has a touch screen."""

    width: int
    height: int
    is_phone: bool = False

    @property
    def device(self) -> dict[str, Any]:
        """Return Playwright's options for this screen. A phone has a device scale factor of 2."""
        size = {"width": self.width, "height": self.height}
        phone = {"is_mobile": self.is_phone, "has_touch": self.is_phone}
        return {"viewport": size, "device_scale_factor": 1 + self.is_phone, **phone}

    def show(self, page: Page, scheme: Scheme = "light") -> None:
        """Show an open page on this screen. Chromium cannot return from touch to mouse."""
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": self.width, "height": self.height})
        if self.is_phone:
            page.context.new_cdp_session(page).send("Emulation.setTouchEmulationEnabled", {"enabled": True})


DESK = Screen(1280, 800)
PHONE = Screen(360, 740, is_phone=True)


def path() -> str | None:
    """Return the path of Chromium. It must be installed, because pip cannot install it."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@contextmanager
def launched(executable: str) -> Iterator[Browser]:
    """Run Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=OPTIONS)
        yield browser
        browser.close()
