"""Third-party pages work under the content security policy, and the policy blocks injected scripts."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import MakeImage
from tests.journeys.browsing import obeying
from tests.system import System

pytestmark = pytest.mark.journey


def test_api_page_works_with_the_policy(browser: Browser, system: System) -> None:
    with obeying(browser.new_context()) as context:
        page = context.new_page()
        page.goto(f"{system.url}/api/docs/")
        expect(page.get_by_role("heading", name="Darkroom")).to_be_visible()
        expect(page.get_by_text("/api/uploads/").first).to_be_visible()


def test_api_page_uploads_a_file(page: Page, system: System, make_image: MakeImage, tmp_path: Path) -> None:
    path = tmp_path / "from swagger.png"
    path.write_bytes(make_image(format="PNG", seed=77))
    page.goto(f"{system.url}/api/docs/")
    operation = page.locator("#operations-uploads-uploads_create")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.locator("input[type=file]").set_input_files(path)
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table td.response-col_status").nth(1)).to_contain_text("201")
    expect(operation.locator(".live-responses-table")).to_contain_text("from swagger.png")


def test_admin_works_with_the_policy(page: Page, system: System) -> None:
    for path in ("", "uploads/upload/", "auth/user/add/", "processing/rendition/?all="):
        page.goto(f"{system.url}/admin/{path}")
        expect(page.get_by_role("link", name="Darkroom").first).to_be_visible()


def test_injected_script_does_not_run(system: System, browser: Browser) -> None:
    """The other tests watch for such violations too."""
    page = browser.new_context().new_page()
    page.goto(f"{system.url}/accounts/login/")
    with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')"
        )
    assert page.evaluate("window.ran") is None
    page.context.close()
