"""Helpers of the browser tests."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, CDPSession, ConsoleMessage, Locator, Page, expect

from tests.journeys.mailbox import Mailbox
from tests.system import System, wait_until

# A time limit in milliseconds. It is long, because the tests share two cores with the system.
PATIENCE = 120_000
expect.set_options(timeout=PATIENCE)


@contextmanager
def obeying(context: BrowserContext) -> Iterator[BrowserContext]:
    """Check that no page violated the content security policy."""
    refused: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            refused.append(message.text)

    context.on("console", listen)
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()
    assert refused == []


def wait_for(page: Page, script: str, argument: str | None = None) -> None:
    """Wait until a script returns true. Playwright's own method needs `eval`, which the policy forbids."""
    wait_until(lambda: page.evaluate(script, argument), seconds=PATIENCE / 1000)


def sign_up(page: Page, system: System, mailbox: Mailbox, name: str = "") -> Page:
    """Sign up a new person, with this name or a random one, verify the address, and show the gallery."""
    name = name or f"person-{secrets.token_hex(4)}"
    page.goto(f"{system.url}/accounts/signup/")
    page.fill("[name=email]", f"{name}@example.com")
    page.fill("[name=password1]", "a long enough passphrase")
    page.fill("[name=password2]", "a long enough passphrase")
    page.locator("main form button[type=submit]").click()
    expect(page).to_have_url(f"{system.url}/accounts/confirm-email/")
    page.goto(mailbox.link_to(f"{name}@example.com", "/accounts/confirm-email/"))
    page.get_by_role("button", name="Confirm").click()
    expect(page).to_have_url(f"{system.url}/")
    # After this, the page's scripts are running.
    page.wait_for_load_state()
    return page


def make_pictures(
    folder: Path, make_image: Callable[..., bytes], names: list[str], *, seed: int = 0
) -> list[Path]:
    """Write small pictures that all differ."""
    paths = [folder / name for name in names]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_image(seed=seed + number, width=300 + number, height=200))
    return paths


def make_large(folder: Path, make_image: Callable[..., bytes], names: list[str]) -> list[Path]:
    """Write pictures of two megabytes each that all differ."""
    paths = [folder / name for name in names]
    for number, path in enumerate(paths):
        path.write_bytes(make_image(seed=number, width=1000, height=700, format="PNG", compress_level=0))
    return paths


def row(page: Page, name: str) -> Locator:
    """Return the row of a file in the queue."""
    return page.locator("#queue-rows > li", has_text=name)


def card(page: Page, name: str) -> Locator:
    """Return the card of an image in the gallery."""
    return page.locator("li.card", has_text=name)


def expect_row(page: Page, name: str, state: str) -> None:
    expect(row(page, name)).to_have_class(f"sent {state}", timeout=PATIENCE)


def expect_card(page: Page, name: str, status: str = "ready") -> None:
    expect(card(page, name)).to_have_attribute("data-status", status, timeout=PATIENCE)


def upload(page: Page, paths: list[Path]) -> None:
    """Upload files and wait until each is ready."""
    page.set_input_files("#file", paths)
    for path in paths:
        expect_card(page, path.name)


def devtools(page: Page) -> CDPSession:
    return page.context.new_cdp_session(page)


def limit_uploads(session: CDPSession, bytes_a_second: int) -> None:
    """Limit the upload rate of a page; -1 removes the limit."""
    _emulate(session, uploadThroughput=bytes_a_second, offline=False)


def cut_line(session: CDPSession) -> None:
    """Take a page offline. Playwright's own method has no effect on a page with limited uploads."""
    _emulate(session, uploadThroughput=-1, offline=True)


def _emulate(session: CDPSession, **conditions: float) -> None:
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", {"latency": 0, "downloadThroughput": -1, **conditions})
