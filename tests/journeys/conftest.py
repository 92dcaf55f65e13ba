"""A running system, started once for all journeys, and a real browser."""

import email
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from playwright.sync_api import Browser, Page

from deploy.ports import any_free_port
from tests.conftest import IN_CI
from tests.journeys import chromium
from tests.journeys.browsing import obeying
from tests.system import System

# At least the number of tests that need a new person.
MAKE_NEWCOMERS = """
from django.contrib.auth.models import User
from sesame.utils import get_query_string
for number in range(100):
    person = User(username=f"newcomer-{number}", email=f"newcomer-{number}@example.com")
    person.set_unusable_password()
    person.save()
    print(get_query_string(person))
"""


class Mailbox(MessageHandler):
    """Stores the messages that an SMTP server has received."""

    def __init__(self) -> None:
        super().__init__(message_class=Message)
        self.messages: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.messages.append(email.message_from_bytes(message.as_bytes()))

    def subjects_to(self, address: str) -> list[str]:
        return [str(message["Subject"]) for message in self.messages if address in str(message["To"])]


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
    environment = {"EMAIL_URL": mailbox[1], "WEBHOOK_PRIVATE_ADDRESSES": "1"}
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


@pytest.fixture
def page(browser: Browser, system: System) -> Iterator[Page]:
    """Return a page on which the demo person has signed in with the link."""
    with obeying(browser.new_context()) as context:
        page = context.new_page()
        page.goto(system.sign_in_link())
        yield page


@pytest.fixture(scope="session")
def links_of_newcomers(system: System) -> Iterator[str]:
    """Yield one-time sign-in links of new people."""
    return iter(system.manage("shell", "--no-imports", "--command", MAKE_NEWCOMERS).stdout.split())


@pytest.fixture
def newcomer(browser: Browser, system: System, links_of_newcomers: Iterator[str]) -> Iterator[Page]:
    """Return the empty gallery of a new person."""
    with obeying(browser.new_context()) as context:
        page = context.new_page()
        page.goto(f"{system.url}/accounts/link/{next(links_of_newcomers)}")
        # After this, the page's scripts are running.
        page.wait_for_load_state()
        yield page


@pytest.fixture
def photo(corpus: Path) -> Path:
    """Return an original photo of a phone."""
    return corpus / "photos" / "Apple_iPhone_6.jpg"
