"""The pictures of forms in a real browser: on a page of another app, and in the admin."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.conftest import MakeImage
from tests.journeys.browsing import (
    PATIENCE,
    cut_line,
    devtools,
    limit_uploads,
    make_large,
    make_pictures,
    obeying,
    wait_for,
)
from tests.journeys.chromium import DESK, PHONE, Scheme, Screen
from tests.journeys.test_accessibility import BEYOND, NARROWEST, found_by_axe
from tests.system import System

pytestmark = pytest.mark.journey

# Bytes per second. A large picture takes 20 seconds.
SLOW = 100_000
NEW, NEW_IN_ADMIN = "/articles/new", "/admin/articles/article/add/"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Return a running project whose articles have pictures."""
    running = System(
        tmp_path_factory.mktemp("project"), DJANGO_SETTINGS_MODULE="tests.articles.settings", EMAIL_URL=""
    )
    with running.ready():
        yield running


@pytest.fixture(scope="module")
def session(browser: Browser, project: System) -> Any:
    """Return the cookies of the demo person, who is staff."""
    with obeying(browser.new_context()) as context:
        page = context.new_page()
        page.goto(project.sign_in_link())
        expect(page.locator(".person")).to_have_text("demo")
        return context.storage_state()


@pytest.fixture
def page(browser: Browser, session: Any) -> Iterator[Page]:
    """Return a page of the demo person."""
    with obeying(browser.new_context(storage_state=session)) as context:
        yield context.new_page()


@pytest.fixture
def plain(browser: Browser, session: Any) -> Iterator[Page]:
    """Return a page of the demo person, without JavaScript."""
    with obeying(browser.new_context(storage_state=session, java_script_enabled=False)) as context:
        yield context.new_page()


@pytest.fixture
def sea(make_image: MakeImage, tmp_path: Path) -> Path:
    """Return the file of a small picture."""
    return make_pictures(tmp_path, make_image, ["sea.jpg"], seed=70)[0]


def drop(page: Page, path: Path) -> None:
    """Drop a file on the widget as a file manager does."""
    widget = page.locator(".picture-input")
    widget.scroll_into_view_if_needed()
    box = widget.bounding_box()
    assert box is not None
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + 20}
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools(page).send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})


def choose(page: Page, path: Path, button: str = "Choose a picture") -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=button).click()
    chooser.value.set_files(path)


def expect_ready(page: Page, name: str) -> None:
    """Wait until the widget shows a picture that is ready."""
    caption = page.locator(".picture-input figcaption")
    expect(caption).to_contain_text(name)
    expect(caption).to_contain_text("ready", timeout=PATIENCE)
    wait_for(page, "document.querySelector('.picture-input img').naturalWidth > 0")


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def picture(page: Page) -> Locator:
    return page.locator("main picture img")


def test_picture_is_dropped_described_replaced_and_removed(
    page: Page, project: System, make_image: MakeImage, tmp_path: Path
) -> None:
    (sea,) = make_large(tmp_path, make_image, ["sea.png"])
    (hill,) = make_pictures(tmp_path, make_image, ["hill.jpg"], seed=30)
    page.goto(f"{project.url}{NEW}")
    line = devtools(page)
    limit_uploads(line, SLOW)
    drop(page, sea)
    expect(page.locator(".picture-input progress")).to_be_visible()
    expect(page.locator(".picture-input-percent")).to_have_text(re.compile(r"[1-9]\d? %"))
    expect(page.get_by_role("img", name="sea.png")).to_be_visible()
    limit_uploads(line, -1)
    expect_ready(page, "sea.png")
    expect(page.locator(".picture-input progress")).to_be_hidden()
    page.get_by_label("Title").fill("The sea")
    page.get_by_label("Text alternative").fill("Waves")
    page.get_by_text("Focal point").click()
    page.locator(".focal-point-aim").click(position={"x": 20, "y": 30})
    expect(page.locator(".focal-point-cross")).to_be_visible()
    save(page)
    expect(picture(page)).to_have_attribute("alt", "Waves")
    article = page.url
    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_label("Text alternative")).to_have_value("Waves")
    page.get_by_text("Focal point").click()
    assert float(page.get_by_label("From the left").input_value()) < 25
    drop(page, hill)
    expect_ready(page, "hill.jpg")
    save(page)
    expect(page).to_have_url(article)
    page.get_by_role("link", name="Edit").click()
    expect(page.locator(".picture-input figcaption")).to_contain_text("hill.jpg")
    page.get_by_label("Remove the picture").check()
    save(page)
    expect(page.get_by_role("heading", name="The sea")).to_be_visible()
    expect(picture(page)).to_have_count(0)


def test_picture_is_set_by_keyboard_in_the_admin(
    page: Page, project: System, make_image: MakeImage, tmp_path: Path
) -> None:
    first, second = make_pictures(tmp_path, make_image, ["first.jpg", "second.jpg"], seed=40)
    page.goto(f"{project.url}{NEW_IN_ADMIN}")
    page.get_by_label("Title").fill("In the admin")
    choose(page, first)
    expect_ready(page, "first.jpg")
    page.get_by_label("Text alternative").fill("First")
    page.get_by_text("Focal point").press("Enter")
    page.get_by_label("From the left").press("Home")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_label("Text alternative")).to_have_value("First")
    page.get_by_text("Focal point").press("Enter")
    expect(page.get_by_label("From the left")).to_have_value("0")
    choose(page, second, "Replace the picture")
    expect_ready(page, "second.jpg")
    page.get_by_role("button", name="Save", exact=True).click()
    row = page.get_by_role("row", name="In the admin")
    expect(row.locator("img")).to_have_count(1)
    row.get_by_role("link", name="In the admin").click()
    page.get_by_label("Remove the picture").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("row", name="In the admin").locator("img")).to_have_count(0)


def test_rows_that_the_admin_adds_have_working_widgets(page: Page, project: System, sea: Path) -> None:
    page.goto(f"{project.url}/authors/auth/user/")
    page.get_by_role("link", name="demo").first.click()
    for title in ("First", "Second"):
        page.get_by_text("Add another Article").click()
        row = page.locator(".inline-related:not(.empty-form)").last
        row.get_by_label("Title").fill(title)
        with page.expect_file_chooser() as chooser:
            row.get_by_role("button", name="Choose a picture").click()
        chooser.value.set_files(sea)
        expect(row.locator("figcaption")).to_contain_text("ready", timeout=PATIENCE)
        row.get_by_label("Text alternative").fill("Both have the same picture")
    page.get_by_role("button", name="Save and continue editing").click()
    shown = page.locator(".inline-related:not(.empty-form) .picture-input img")
    expect(shown).to_have_count(2)


@pytest.mark.parametrize("path", [NEW, NEW_IN_ADMIN])
def test_form_works_without_javascript(
    plain: Page, project: System, make_image: MakeImage, tmp_path: Path, path: str
) -> None:
    (sea,) = make_pictures(tmp_path, make_image, ["plain.jpg"], seed=50 + len(path))
    plain.goto(f"{project.url}{path}")
    # A space passes the browser's check, but not Django's.
    plain.get_by_label("Title").fill(" ")
    plain.set_input_files("[name=photo]", sea)
    plain.get_by_label("Text alternative").fill("Plain")
    save(plain)
    expect(plain.locator(".errorlist").first).to_be_visible()
    expect(plain.locator(".picture-input figcaption")).to_contain_text("plain.jpg")
    plain.get_by_label("Title").fill(f"Plain {len(path)}")
    save(plain)
    if path == NEW:
        expect(picture(plain)).to_have_attribute("alt", "Plain")
        plain.get_by_role("link", name="Edit").click()
    else:
        plain.locator("#result_list").get_by_role("link", name=f"Plain {len(path)}").click()
    expect(plain.get_by_label("Text alternative")).to_have_value("Plain")
    plain.get_by_label("Remove the picture").check()
    save(plain)
    expect(plain.get_by_text(f"Plain {len(path)}").first).to_be_visible()
    expect(picture(plain)).to_have_count(0)


def test_form_waits_for_a_picture_on_a_slow_network(
    page: Page, project: System, make_image: MakeImage, tmp_path: Path
) -> None:
    (sea,) = make_large(tmp_path, make_image, ["slow.png"])
    page.goto(f"{project.url}{NEW}")
    page.get_by_label("Title").fill("Slow")
    line = devtools(page)
    limit_uploads(line, SLOW)
    choose(page, sea)
    expect(page.locator(".picture-input progress")).to_be_visible()
    save(page)
    expect(page.locator(".picture-input-message")).to_have_text(re.compile("as soon as the picture is sent"))
    limit_uploads(line, -1)
    expect(page.get_by_role("heading", name="Slow")).to_be_visible()
    expect(picture(page)).to_have_count(1)


def test_picture_that_cannot_be_sent_at_once_is_sent_with_the_form(
    page: Page, project: System, make_image: MakeImage, tmp_path: Path
) -> None:
    (sea,) = make_pictures(tmp_path, make_image, ["later.jpg"], seed=60)
    page.goto(f"{project.url}{NEW}")
    page.get_by_label("Title").fill("Later")
    line = devtools(page)
    cut_line(line)
    choose(page, sea)
    expect(page.locator(".picture-input-message")).to_have_text("later.jpg is sent when the form is saved.")
    limit_uploads(line, -1)
    save(page)
    expect(page.get_by_role("heading", name="Later")).to_be_visible()
    expect(picture(page)).to_have_count(1)


def test_refused_file_is_told_and_an_upload_is_cancelled(
    page: Page, project: System, make_image: MakeImage, tmp_path: Path
) -> None:
    note = tmp_path / "note.jpg"
    note.write_text("no picture")
    (sea,) = make_large(tmp_path, make_image, ["cancelled.png"])
    page.goto(f"{project.url}{NEW}")
    choose(page, note)
    expect(page.locator(".picture-input-message")).to_contain_text("note.jpg is a text file.")
    limit_uploads(devtools(page), SLOW)
    choose(page, sea)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".picture-input-message")).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Choose a picture")).to_be_focused()
    page.get_by_label("Title").fill("Without")
    save(page)
    expect(page.get_by_role("heading", name="Without")).to_be_visible()
    expect(picture(page)).to_have_count(0)


@pytest.mark.parametrize("path", [NEW, NEW_IN_ADMIN])
@pytest.mark.parametrize("look", [(DESK, "light"), (PHONE, "dark")], ids=["desk", "phone"])
def test_axe_finds_no_violation(
    page: Page, project: System, sea: Path, path: str, look: tuple[Screen, Scheme]
) -> None:
    screen, scheme = look
    page.goto(f"{project.url}{path}")
    screen.show(page, scheme)
    # Django's admin has faults of its own, so the widget alone is tested.
    assert found_by_axe(page, within=".picture-input") == []
    choose(page, sea)
    expect_ready(page, "sea.jpg")
    page.get_by_text("Focal point").click()
    assert found_by_axe(page, within=".picture-input") == []
    NARROWEST.show(page, scheme)
    assert page.evaluate(BEYOND) == []
