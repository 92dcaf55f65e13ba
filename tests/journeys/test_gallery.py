"""The gallery in a real browser: live updates, scrolling, keyboard, and a stable layout."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.conftest import MakeImage
from tests.journeys.browsing import (
    PATIENCE,
    card,
    devtools,
    expect_card,
    make_pictures,
    row,
    sign_up,
    upload,
    wait_for,
)
from tests.journeys.mailbox import Mailbox
from tests.system import System

pytestmark = pytest.mark.journey

MANY = 1_200
# The cards of the first page and of the pages near the screen.
LAID_OUT = """[...document.querySelectorAll("li.card")].filter(
  (card) => card.checkVisibility({ contentVisibilityAuto: true })).length"""
NEARBY = 300
# The size of the page in kilobytes over the network, without the scripts that send files.
FIRST_PAGE = 150


@pytest.fixture
def page(newcomer: Page) -> Page:
    """Return the page of a new person."""
    return newcomer


@pytest.fixture(scope="module")
def full_gallery(browser: Browser, system: System, mailbox: tuple[Mailbox, str]) -> Iterator[Page]:
    """Return the page of a person with thousands of images."""
    context = browser.new_context()
    page = sign_up(context.new_page(), system, mailbox[0])
    username = page.locator("header .person").text_content()
    manage_many(system, f"many.fill(username={username!r}, count={MANY})")
    page.goto(system.url)
    yield page
    context.close()
    manage_many(system, f"many.remove(username={username!r})")


def manage_many(system: System, call: str) -> None:
    code = f"from tests.journeys import many; {call}"
    done = system.manage("shell", "--no-imports", "--command", code)
    assert done.returncode == 0, done.stderr


def test_card_loads_its_picture_without_a_layout_shift(
    page: Page, make_image: MakeImage, tmp_path: Path
) -> None:
    page.evaluate(
        """() => {
          window.shifts = [];
          const watch = (list) => window.shifts.push(...list.getEntries());
          new PerformanceObserver(watch).observe({ type: "layout-shift", buffered: true });
          window.boxes = new Set();
          const measure = () => {
            const box = document.querySelector("li.card")?.getBoundingClientRect();
            if (box) window.boxes.add(`${Math.round(box.width)} × ${Math.round(box.height)}`);
            requestAnimationFrame(measure);
          };
          measure();
        }"""
    )
    upload(page, make_pictures(tmp_path, make_image, ["wide.jpg"]))
    expect(card(page, "wide.jpg").locator("img")).to_be_visible()
    wait_for(page, "document.querySelector('li.card img').complete")
    assert len(page.evaluate("[...window.boxes]")) == 1
    assert page.evaluate("window.shifts.reduce((sum, { value }) => sum + value, 0)") < 0.05


def test_changes_appear_in_another_tab(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    upload(page, make_pictures(tmp_path, make_image, ["both.jpg"], seed=10))
    expect_card(other, "both.jpg")
    card(page, "both.jpg").get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete").click()
    expect(card(other, "both.jpg")).to_have_count(0, timeout=PATIENCE)
    page.get_by_role("button", name="Undo").click()
    for tab in (page, other):
        expect_card(tab, "both.jpg")


def test_selected_images_are_changed_together(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(4)]
    upload(page, make_pictures(tmp_path, make_image, names, seed=20))
    boxes = page.locator("li.card").get_by_role("checkbox")
    boxes.nth(0).check()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(page.locator("#selected-count")).to_have_text("3 selected")
    page.get_by_role("button", name="Make private").click()
    expect(page.locator("li.card .badge")).to_have_count(3)
    expect(page.locator("#selected-count")).to_have_text("")
    page.reload()
    expect(page.locator("li.card .badge")).to_have_count(3)


def press_until_focused(page: Page, element: Locator) -> None:
    """Press Tab until the element has the focus, which takes only a few presses."""
    for _ in range(12):
        page.keyboard.press("Tab")
        if element.evaluate("element => element === document.activeElement"):
            break
    expect(element).to_be_focused()


def test_gallery_works_by_keyboard(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(3)]
    paths = make_pictures(tmp_path, make_image, names, seed=30)
    # Playwright catches only choosers that open well after it has begun to wait.
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        press_until_focused(page, page.get_by_role("button", name="Choose images"))
        page.keyboard.press("Enter")
    chooser.value.set_files(paths)
    for name in names:
        expect_card(page, name)

    links = page.locator("li.card a")
    press_until_focused(page, links.first)
    page.keyboard.press("ArrowRight")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(links.nth(2)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    expect(page.locator("#selected-count")).to_have_text("1 selected")
    page.keyboard.press("Escape")
    expect(page.locator("#selected-count")).to_have_text("")
    gone = links.first.locator(".name").text_content() or ""
    page.keyboard.press("Delete")
    expect(card(page, gone)).to_have_count(0, timeout=PATIENCE)
    # The focus moves to the next image and is never lost.
    expect(links.first).to_be_focused()
    page.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    expect_card(page, gone)
    links.first.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/uploads/[0-9a-f-]{36}/$"))
    expect(page.get_by_role("heading", level=1)).to_have_text(gone)


def test_bell_shows_the_count_and_the_latest_notices(
    page: Page, make_image: MakeImage, tmp_path: Path
) -> None:
    upload(page, make_pictures(tmp_path, make_image, ["rung.jpg"], seed=40))
    expect(page.locator("#unread")).to_contain_text("1 unread", timeout=PATIENCE)
    page.locator("#bell summary").click()
    expect(page.locator("#latest")).to_contain_text("rung.jpg is ready")
    expect(page.locator("#unread")).to_be_empty(timeout=PATIENCE)
    page.keyboard.press("Escape")
    expect(page.locator("#latest")).to_be_hidden()
    expect(page.locator("#bell summary")).to_be_focused()


def test_search_finds_images_by_name(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    upload(page, make_pictures(tmp_path, make_image, ["hill.jpg", "sea.jpg"], seed=50))
    page.get_by_role("searchbox").press_sequentially("hil")
    expect(card(page, "sea.jpg")).to_have_count(0)
    expect(card(page, "hill.jpg")).to_have_count(1)
    expect(page).to_have_url(f"{page.url.split('?')[0]}?q=hil")
    page.get_by_role("searchbox").fill("mountain")
    expect(page.get_by_text("No images match.")).to_be_visible()


def test_only_images_near_the_viewport_are_laid_out(full_gallery: Page) -> None:
    """The cost of scrolling does not depend on the number of images."""
    page = full_gallery
    # This loads all cards, as long scrolling would.
    page.evaluate(
        """async () => {
          const list = document.getElementById("cards");
          let more;
          while ((more = list.querySelector(".more a"))) {
            const text = await (await fetch(more.href)).text();
            const answer = new DOMParser().parseFromString(text, "text/html");
            list.querySelector(".more").replaceWith(...answer.getElementById("cards").children);
            list.querySelector(".more span")?.remove();
          }
        }"""
    )
    assert page.locator("li.card").count() >= MANY
    for place in ("0", "document.body.scrollHeight / 2", "document.body.scrollHeight"):
        page.evaluate(f"window.scrollTo(0, {place})")
        wait_for(page, LAID_OUT + " > 0")
        wait_for(page, f"{LAID_OUT} <= {NEARBY}")


def test_reload_keeps_the_scroll_position(full_gallery: Page, system: System) -> None:
    page = full_gallery
    page.goto(system.url)
    for wanted in (120, 180):
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        wait_for(page, f"document.querySelectorAll('li.card').length >= {wanted}")
    third = page.locator("ul.cards").nth(2)
    third.scroll_into_view_if_needed()
    wait_for(page, "location.search.startsWith('?before=')")
    name = page.locator("ul.cards").nth(2).locator(".name").nth(20).text_content()
    third.evaluate("page => page.scrollIntoView()")
    address = third.get_attribute("data-page") or ""
    wait_for(page, "address => location.pathname + location.search === address", address)
    page.reload()
    expect(page.get_by_text("Back to the newest")).to_be_visible()
    expect(card(page, name or "")).to_have_count(1)


def test_phone_loads_a_smaller_rendition(browser: Browser, system: System, page: Page, photo: Path) -> None:
    upload(page, [photo])
    card(page, photo.name).locator("a").click()
    state = page.context.storage_state()
    widths = {}
    for name, width in (("phone", 360), ("desktop", 1900)):
        context = browser.new_context(storage_state=state, viewport={"width": width, "height": 700})
        screen = context.new_page()
        screen.goto(page.url)
        image = screen.locator(".whole img")
        wait_for(screen, "document.querySelector('.whole img').complete")
        widths[name] = image.evaluate("image => image.currentSrc.match(/(small|medium|large|xlarge)-/)[1]")
        context.close()
    assert widths == {"phone": "medium", "desktop": "large"}


def test_first_page_stays_below_its_size_limit(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    upload(page, make_pictures(tmp_path, make_image, [f"{letter}.jpg" for letter in "abcdefghijkl"], seed=60))
    session = devtools(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: dict[str, float] = {}
    addresses: dict[str, str] = {}

    def begun(event: Any) -> None:
        addresses[event["requestId"]] = event["response"]["url"]

    def ended(event: Any) -> None:
        sizes[event["requestId"]] = event["encodedDataLength"]

    session.on("Network.responseReceived", begun)
    session.on("Network.loadingFinished", ended)
    page.reload()
    page.wait_for_load_state("load")
    loaded = {addresses[identity]: size for identity, size in sizes.items() if identity in addresses}
    assert not any("uppy" in address for address in loaded)
    page_itself = {address: size for address, size in loaded.items() if "/renditions/" not in address}
    assert sum(page_itself.values()) < FIRST_PAGE * 1024, json.dumps(page_itself, indent=1)
    assert sum(loaded.values()) < 2 * FIRST_PAGE * 1024
    page.set_input_files("#file", make_pictures(tmp_path, make_image, ["more.jpg"], seed=90))
    expect(row(page, "more.jpg")).to_be_visible()
    assert any("uppy" in address for address in addresses.values())


def test_page_loads_nothing_from_other_sites_and_logs_no_error(
    page: Page, make_image: MakeImage, tmp_path: Path
) -> None:
    complaints: list[str] = []
    asked: set[str] = set()
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.add(request.url.split("/")[2]))
    upload(page, make_pictures(tmp_path, make_image, ["quiet.jpg"], seed=100))
    page.locator("#bell summary").click()
    card(page, "quiet.jpg").locator("a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("quiet.jpg")
    assert complaints == []
    assert len(asked) == 1
