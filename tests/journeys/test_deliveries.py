"""Deliveries: one email for a batch, and signed webhooks, which are set up and sent again on a page."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import MakeImage
from tests.journeys.browsing import PATIENCE, sign_up
from tests.journeys.mailbox import Mailbox
from tests.receiver import receiving
from tests.system import System, wait_until

pytestmark = pytest.mark.journey


def test_batch_sends_one_mail(
    browser: Browser, system: System, mailbox: tuple[Mailbox, str], make_image: MakeImage, tmp_path: Path
) -> None:
    page = sign_up(browser.new_context().new_page(), system, mailbox[0], "mary")
    paths = [tmp_path / f"{number}.jpg" for number in range(12)]
    for number, path in enumerate(paths):
        path.write_bytes(make_image(seed=100 + number))
    page.set_input_files("#file", paths)
    expect(page.locator("li[data-status=ready]")).to_have_count(12, timeout=2 * PATIENCE)
    received = mailbox[0]
    wait_until(lambda: "12 images are ready" in received.subjects_to("mary@example.com"))
    assert sum("ready" in subject for subject in received.subjects_to("mary@example.com")) == 1
    page.context.close()


def test_webhook_is_added_tested_and_received(
    browser: Browser, system: System, mailbox: tuple[Mailbox, str], make_image: MakeImage, tmp_path: Path
) -> None:
    path = tmp_path / "sea.jpg"
    path.write_bytes(make_image(seed=130))
    page = sign_up(browser.new_context().new_page(), system, mailbox[0], "hedy")
    with receiving() as receiver:
        page.goto(f"{system.url}/account/webhooks/")
        page.get_by_label("URL").fill(receiver.url)
        page.get_by_label("upload.ready").check()
        page.get_by_role("button", name="Add").click()
        page.get_by_role("link", name=receiver.url).click()
        page.get_by_text("Show the secret").click()
        secret = page.locator(".token code").inner_text()
        page.get_by_role("button", name="Send a test").click()
        wait_until(lambda: receiver.requests)
        assert receiver.requests[0].verify(secret)["type"] == "webhook.test"

        page.goto(system.url)
        page.set_input_files("#file", path)
        wait_until(lambda: len(receiver.requests) == 2)
        assert receiver.requests[1].verify(secret)["type"] == "upload.ready"

        page.goto(f"{system.url}/account/webhooks/")
        page.get_by_role("link", name=receiver.url).click()
        row = page.locator("li", has_text="upload.ready")
        expect(row).to_contain_text(re.compile("delivered.*1 attempt", re.DOTALL))
        row.get_by_role("button", name="Send again").click()
        wait_until(lambda: len(receiver.requests) == 3)
        assert receiver.requests[1].id == receiver.requests[2].id
    page.context.close()
