"""Every state of every page passes axe, fits the screen and respects reduced motion."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page

from tests.journeys.chromium import DESK, PHONE, Scheme, Screen
from tests.journeys.stage import STAFF, Stage
from tests.journeys.states import STATES
from tests.system import System

pytestmark = pytest.mark.journey

AXE = Path(settings.BASE_DIR) / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# The viewports are low, because painting a wide page is slow and the height does not matter here.
NARROWEST, WIDEST = Screen(320, 640), Screen(3840, 400)
# The elements that overflow the page, if it scrolls sideways.
BEYOND = """() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return [];
  const isBeyond = (box) => box.width > 0 && (box.right > clientWidth + 1 || box.left < -1);
  const parts = [...document.querySelectorAll("body *")];
  const found = parts.filter((part) => isBeyond(part.getBoundingClientRect()));
  return [`${scrollWidth} > ${clientWidth}`, ...found.map((part) => part.outerHTML.slice(0, 120))];
}"""


@pytest.fixture(scope="module")
def stage(system: System, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Return the stage with small pictures, because these tests do not need more."""
    folder = tmp_path_factory.mktemp("pictures")
    with Stage(system=system, browser=browser, folder=folder, side=480).set(images=12) as stage:
        yield stage


@pytest.fixture(scope="module", params=STATES)
def page(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Page]:
    """Return a page in each state in turn. The tests share it."""
    with STATES[request.param](stage) as page:
        yield page


def found_by_axe(page: Page, *, within: str = "html") -> list[str]:
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE.read_text())
    # A preload would add styles to the page, which its policy forbids. These rules do not need it.
    options = {"runOnly": TAGS, "resultTypes": ["violations"], "preload": False}
    result: dict[str, Any] = page.evaluate("([part, options]) => axe.run(part, options)", [within, options])
    return [
        f"{violation['id']}: {node['target']} {node['html'][:200]} {node['failureSummary']}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


# Each colour scheme and each screen is tested once, because their problems are independent.
@pytest.mark.parametrize(("screen", "scheme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk", "phone"])
def test_axe_finds_no_violation(page: Page, screen: Screen, scheme: Scheme) -> None:
    screen.show(page, scheme)
    assert found_by_axe(page) == []


@pytest.mark.parametrize(
    ("screen", "direction"), [(NARROWEST, "ltr"), (NARROWEST, "rtl"), (WIDEST, "ltr")], ids=str
)
def test_no_page_scrolls_sideways(page: Page, screen: Screen, direction: str) -> None:
    screen.show(page)
    page.evaluate("direction => document.documentElement.dir = direction", direction)
    assert page.evaluate(BEYOND) == []


def test_no_page_scrolls_sideways_in_german(stage: Stage) -> None:
    """German words are longer than English ones."""
    with stage.visit(person=STAFF) as page:
        cookie = settings.LANGUAGE_COOKIE_NAME
        page.context.add_cookies([{"name": cookie, "value": "de", "url": stage.system.url}])
        NARROWEST.show(page)
        for path in ("/", "/notices/", "/account/", "/account/webhooks/", "/status/"):
            page.goto(f"{stage.system.url}{path}")
            assert page.locator("html").get_attribute("lang") == "de"
            assert page.evaluate(BEYOND) == [], path


def test_animations_stop_with_reduced_motion(stage: Stage) -> None:
    with STATES["queue_processing"](stage) as page:
        moving = "document.getAnimations().length"
        page.emulate_media(reduced_motion="no-preference")
        assert page.evaluate(moving) > 0
        page.emulate_media(reduced_motion="reduce")
        assert page.evaluate(moving) == 0
