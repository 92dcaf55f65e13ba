"""A running system, started once for all journeys, and a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from playwright.sync_api import Browser, Page, expect

from deploy.ports import any_free_port
from tests.conftest import IN_CI
from tests.journeys import chromium
from tests.journeys.browsing import obeying
from tests.journeys.mailbox import Mailbox
from tests.system import System

# At least the number of tests that need a new person. A session serves longer than a link.
MAKE_NEWCOMERS = """
from django.contrib.auth.models import User
from django.test import Client
for number in range(100):
    person = User(username=f"newcomer-{number}", email=f"newcomer-{number}@example.com")
    person.set_unusable_password()
    person.save()
    client = Client()
    client.force_login(person)
    print(client.session.session_key)
"""


@pytest.fixture(scope="session")
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    """Return a mailbox and the EMAIL_URL of the SMTP server that fills it."""
    handler = Mailbox()
    port = any_free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, f"smtp://127.0.0.1:{port}"
    controller.stop()


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, mailbox: tuple[Mailbox, str]) -> Iterator[System]:
    """Return a running system."""
    # One test opens hundreds of streams of one person.
    environment = {
        "EMAIL_URL": mailbox[1],
        "STREAMS_PER_PERSON": "1000",
        "WEBHOOK_PRIVATE_ADDRESSES": "1",
    }
    running = System(tmp_path_factory.mktemp("system"), **environment)
    with running.ready():
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium."""
    path = chromium.path()
    if path is None:
        if IN_CI:
            pytest.fail("There is no Chromium.")
        pytest.skip("There is no Chromium; install it, or set CHROMIUM to its path.")
    with chromium.launched(path) as browser:
        yield browser


@pytest.fixture(scope="session")
def demo_session(browser: Browser, system: System) -> Any:
    """Return the cookies of the demo person, who has signed in with a link. A link works once."""
    with obeying(browser.new_context()) as context:
        page = context.new_page()
        page.goto(system.sign_in_link())
        expect(page.locator(".person")).to_have_text("demo")
        return context.storage_state()


@pytest.fixture
def page(browser: Browser, system: System, demo_session: Any) -> Iterator[Page]:
    """Return the gallery of the demo person."""
    with obeying(browser.new_context(storage_state=demo_session)) as context:
        page = context.new_page()
        page.goto(system.url)
        yield page


@pytest.fixture(scope="session")
def sessions_of_newcomers(system: System) -> Iterator[str]:
    """Yield the session keys of new people, each of a different person."""
    return iter(system.manage("shell", "--no-imports", "--command", MAKE_NEWCOMERS).stdout.split())


@pytest.fixture
def newcomer(browser: Browser, system: System, sessions_of_newcomers: Iterator[str]) -> Iterator[Page]:
    """Return the empty gallery of a new person."""
    key = next(sessions_of_newcomers)
    with obeying(browser.new_context()) as context:
        context.add_cookies([{"name": "sessionid", "value": key, "url": system.url}])
        page = context.new_page()
        page.goto(system.url)
        # After this, the page's scripts are running.
        page.wait_for_load_state()
        yield page


@pytest.fixture
def photo(corpus: Path) -> Path:
    """Return an original photo of a phone."""
    return corpus / "photos" / "Apple_iPhone_6.jpg"
