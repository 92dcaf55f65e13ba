"""The page of one image in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import MakeImage
from tests.journeys.browsing import PATIENCE, card, expect_card, make_pictures, upload, wait_for
from tests.system import System

pytestmark = pytest.mark.journey


@pytest.fixture
def page(newcomer: Page) -> Page:
    """Return the page of a new person."""
    return newcomer


def open_image(page: Page, path: Path) -> None:
    upload(page, [path])
    card(page, path.name).locator("a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(path.name)


def thumbnail(page: Page) -> str:
    return page.get_by_role("link", name="thumb").first.get_attribute("href") or ""


def test_image_page_shows_metadata_and_timeline(page: Page, photo: Path) -> None:
    open_image(page, photo)
    facts = page.locator("dl")
    expect(facts).to_contain_text("Apple iPhone 6")
    expect(facts).to_contain_text("Removed from all published sizes")
    timeline = page.locator(".timeline li")
    expect(timeline.first).to_contain_text("received")
    expect(timeline.last).to_contain_text("ready")
    expect(page.locator(".timeline")).to_contain_text("thumbnails")
    expect(page.get_by_role("row")).to_have_count(11)  # five presets in two formats, and the header


def test_crop_follows_a_click(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    path = tmp_path / "aimed.jpg"
    path.write_bytes(make_image(width=1600, height=900, seed=3))
    open_image(page, path)
    before = thumbnail(page)
    preview = page.locator(".crop img").first
    position = preview.evaluate("image => image.style.objectPosition")
    page.locator("#aim").click(position={"x": 20, "y": 30})
    assert preview.evaluate("image => image.style.objectPosition") != position
    assert preview.evaluate("image => image.style.objectPosition").startswith("0%")
    page.get_by_role("button", name="Save the focal point").click()
    expect(page.get_by_text("Set by you.")).to_be_visible()
    wait_for(
        page,
        "before => document.querySelector('th a')?.textContent === 'thumb'"
        " && document.querySelector('th a').href !== before",
        before,
    )
    expect(page.locator("header .status.ready")).to_be_visible(timeout=PATIENCE)
    assert thumbnail(page) != before
    page.get_by_role("button", name="Reset to automatic").click()
    expect(page.get_by_text("Found automatically.")).to_be_visible()


def test_focal_point_is_set_by_keyboard(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    path = tmp_path / "keys.jpg"
    path.write_bytes(make_image(width=1600, height=900, seed=4))
    open_image(page, path)
    slider = page.get_by_label("From the left")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator("output[for=focus-x]")).to_have_text("0 %")
    assert page.locator("#cross").evaluate("cross => cross.style.left") == "0%"
    page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) > 0


def test_copied_url_and_markup_work(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    (path,) = make_pictures(tmp_path, make_image, ["copied.jpg"])
    open_image(page, path)
    copied = {}
    for label in ("URL", "HTML", "Markdown"):
        page.get_by_role("button", name=f"Copy {label}").click()
        copied[label] = page.evaluate("navigator.clipboard.readText()")
    assert copied["Markdown"] == f"![copied]({copied['URL']})"
    assert page.request.get(copied["URL"]).headers["content-type"].startswith("image/")
    page.set_content(copied["HTML"])
    wait_for(page, "document.images[0].complete")
    assert page.evaluate("document.images[0].naturalWidth") == 300


def test_a_private_image_is_shared_by_a_link_until_it_is_revoked(
    browser: Browser, page: Page, make_image: MakeImage, tmp_path: Path
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    (path,) = make_pictures(tmp_path, make_image, ["shared.jpg"], seed=40)
    open_image(page, path)
    page.get_by_label("Visibility").select_option("private")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Create a link and copy it").click()
    expect(page.locator("#announcements")).to_contain_text("The new link works until")
    copied = page.evaluate("navigator.clipboard.readText()")
    visitor = browser.new_context()
    assert visitor.request.get(copied).headers["content-type"].startswith("image/")
    assert visitor.request.get(copied.partition("?")[0]).status == 404
    expect(page.get_by_label("URL", exact=True)).to_have_value(copied)
    page.reload()
    expect(page.get_by_label("URL", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Revoke", exact=True).click()
    expect(page.get_by_text("Link revoked.")).to_be_visible()
    assert visitor.request.get(copied).status == 404
    visitor.close()


def test_deletion_is_undone(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    (path,) = make_pictures(tmp_path, make_image, ["undone.jpg"], seed=10)
    open_image(page, path)
    page.get_by_role("button", name="Delete").click()
    expect(card(page, "undone.jpg")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect_card(page, "undone.jpg")


def test_deletion_is_made_final(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    (path,) = make_pictures(tmp_path, make_image, ["final.jpg"], seed=11)
    open_image(page, path)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.locator("#messages")).to_contain_text("1 image deleted for good.")
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


def test_image_page_follows_reprocessing(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    (path,) = make_pictures(tmp_path, make_image, ["followed.jpg"], seed=20)
    open_image(page, path)
    page.get_by_role("button", name="Reprocess").click()
    expect(page.get_by_text("Reprocessing")).to_be_visible()
    expect(page.locator(".timeline")).to_contain_text("reprocessed", timeout=PATIENCE)
    expect(page.locator("header .status.ready")).to_be_visible(timeout=PATIENCE)


def test_image_page_works_without_javascript(
    browser: Browser, system: System, page: Page, make_image: MakeImage, tmp_path: Path
) -> None:
    (path,) = make_pictures(tmp_path, make_image, ["plain.jpg"], seed=30)
    open_image(page, path)
    context = browser.new_context(java_script_enabled=False, storage_state=page.context.storage_state())
    plain = context.new_page()
    plain.goto(page.url)
    before = thumbnail(plain)
    plain.get_by_label("From the left").fill("0")
    plain.get_by_role("button", name="Save the focal point").click()
    # The page reloads while an upload is unfinished.
    expect(plain.locator("header .status.ready")).to_be_visible(timeout=PATIENCE)
    assert thumbnail(plain) != before
    plain.get_by_label("Visibility").select_option("private")
    plain.get_by_role("button", name="Save", exact=True).click()
    expect(plain.get_by_label("Visibility")).to_have_value("private")
    plain.get_by_role("button", name="Delete").click()
    plain.get_by_role("button", name="Undo").click()
    expect(plain.locator("li.card")).to_have_count(1)
    context.close()


def replace(page: Page, path: Path) -> None:
    page.get_by_text("Replace the picture…").click()
    page.get_by_label("New file").set_input_files(path)
    page.get_by_role("button", name="Replace", exact=True).click()


def test_file_is_replaced(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    first, second = make_pictures(tmp_path, make_image, ["old.jpg", "new.jpg"], seed=200)
    open_image(page, first)
    address, before = page.url, thumbnail(page)
    replace(page, second)
    expect(page.get_by_text("Replaced by new.jpg.")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("new.jpg")
    expect(page.locator(".timeline li").last).to_contain_text("ready")
    expect(page.get_by_text("301 × 200", exact=False).first).to_be_visible()
    assert page.url == address
    assert thumbnail(page) not in {"", before}
    # The former address works for its grace period.
    assert page.request.get(before).status == 200
    replace(page, second)
    expect(page.get_by_text("The image has this file already.")).to_be_visible()


def test_file_is_replaced_without_javascript(
    browser: Browser, system: System, page: Page, make_image: MakeImage, tmp_path: Path
) -> None:
    first, second = make_pictures(tmp_path, make_image, ["plain-old.jpg", "plain-new.jpg"], seed=210)
    open_image(page, first)
    state = page.context.storage_state()
    with browser.new_context(storage_state=state, java_script_enabled=False) as context:
        plain = context.new_page()
        plain.goto(page.url)
        replace(plain, second)
        expect(plain.get_by_role("heading", level=1)).to_have_text("plain-new.jpg")
    # The other page receives the events.
    expect(page.get_by_role("heading", level=1)).to_have_text("plain-new.jpg")
    expect(page.locator(".timeline li").last).to_contain_text("ready")
