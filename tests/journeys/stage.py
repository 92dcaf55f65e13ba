"""The stage: a running system with people, their images, and their pages in a browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.journeys import landscapes
from tests.journeys.browsing import PATIENCE, obeying
from tests.journeys.chromium import DESK
from tests.receiver import Receiver, receiving
from tests.system import System, wait_until

PASSWORD = "a long enough passphrase"
# The demo person is staff, as in `make run`.
PERSON, NEWCOMER, STAFF = "mira", "theo", "demo"

_MAKE_PEOPLE = f"""
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from sesame.utils import get_query_string
from uploads.models import Preferences
for name in {[PERSON, NEWCOMER]!r}:
    person = User.objects.create_user(name, name + "@example.com", {PASSWORD!r})
    print(name, get_query_string(person))
reply = "550 5.1.1 <theo@example.com>: Recipient address rejected: User unknown in virtual mailbox table"
EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
Preferences.objects.create(owner=person, refused_address=person.email, refused_reply=reply)
"""


class Stage:
    """A system with Mira, who has images and webhooks, Theo, whose address is refused, and a demo person."""

    def __init__(self, *, system: System, browser: Browser, folder: Path, side: int) -> None:
        self.system = system
        self._browser = browser
        self.screen = DESK  # the screen on which pages are opened
        self._folder = folder
        self._side = side
        self._seeds = count()
        self._signed_in: dict[str, Any] = {}

    @contextmanager
    def set(self, *, images: int) -> Iterator["Stage"]:
        """Create the people, upload Mira's images, and add her webhooks."""
        self._sign_in_all()
        with receiving() as receiver:
            self._send_images(images)
            self._set_up_webhooks(receiver)
            yield self

    @contextmanager
    def visit(self, path: str = "/", *, person: str = "") -> Iterator[Page]:
        """Open a page in its own browser context, as a visitor or a signed-in person."""
        state = self._signed_in.get(person)
        with obeying(self._browser.new_context(storage_state=state, **self.screen.device)) as context:
            page = context.new_page()
            page.set_default_timeout(PATIENCE)
            page.goto(f"{self.system.url}{path}")
            yield page

    @contextmanager
    def held(self, queue: str) -> Iterator[None]:
        """Pause a queue's worker. It must be idle first, because a busy worker may hold a database lock."""
        with self.visit(person=PERSON) as page:
            wait_until(lambda: not self._has_unfinished(page))
        with self.system.held(queue):
            yield

    def _has_unfinished(self, page: Page) -> bool:
        address = f"{self.system.url}/api/uploads/?status="
        answers = (page.request.get(address + status) for status in ("pending", "processing"))
        return any(answer.json()["results"] for answer in answers)

    def pictures(self, number: int) -> list[Path]:
        """Return files of pictures that have not been uploaded yet."""
        seeds = [next(self._seeds) for _ in range(number)]
        return landscapes.write(self._folder, count=number, side=self._side, first_seed=seeds[0])

    def broken_picture(self) -> Path:
        """Return the file of a picture of which too little is there."""
        whole = self.pictures(1)[0]
        broken = whole.with_name(f"broken-{whole.name}")
        broken.write_bytes(whole.read_bytes()[: whole.stat().st_size // 8])
        return broken

    def truncated_picture(self) -> Path:
        """Return the file of a picture of which most is there."""
        whole = self.pictures(1)[0]
        truncated = whole.with_name(f"truncated-{whole.name}")
        truncated.write_bytes(whole.read_bytes()[: whole.stat().st_size * 7 // 8])
        return truncated

    def file(self, name: str, *, size: int = 9) -> Path:
        """Return a sparse file that is not a picture."""
        path = self._folder / name
        with path.open("wb") as file:
            file.truncate(size)
        return path

    def _sign_in_all(self) -> None:
        lines = self.system.manage("shell", "--no-imports", "--command", _MAKE_PEOPLE).stdout.splitlines()
        for name, query in map(str.split, lines):
            self._sign_in(name, f"{self.system.url}/accounts/link/{query}")
        self._sign_in(STAFF, self.system.sign_in_link())

    def _sign_in(self, name: str, link: str) -> None:
        with self.visit() as page:
            page.goto(link)
            expect(page.locator(".person")).to_have_text(name)
            self._signed_in[name] = page.context.storage_state()

    def _send_images(self, number: int) -> None:
        with self.visit(person=PERSON) as page:
            page.set_input_files("#file", [*self.pictures(number), self.broken_picture()])
            expect(page.locator(".card.ready")).to_have_count(number, timeout=2 * PATIENCE)
            expect(page.locator(".card.failed")).to_have_count(1)
            page.locator(".card.ready input").nth(2).check()
            page.get_by_role("button", name="Make private").click()
            expect(page.locator(".badge")).to_have_count(1)

    def _set_up_webhooks(self, receiver: Receiver) -> None:
        """Add two webhooks: a disabled one, and one with a successful and a failed delivery."""
        with self.visit("/account/webhooks/", person=PERSON) as page:
            for address in (f"{receiver.url}/former", receiver.url):
                page.goto(f"{self.system.url}/account/webhooks/")
                page.get_by_label("URL").fill(address)
                page.get_by_label("Description").fill("The press office's archive")
                page.get_by_label("upload.failed").check()
                _press(page, "Add")
                page.get_by_role("link", name=address, exact=True).click()
                if address != receiver.url:
                    _press(page, "Disable")
            self._test(page, "delivered")
            receiver.status = 500
            self._test(page, "500")

    def _test(self, page: Page, outcome: str) -> None:
        """Send a test, and reload the page until it shows the outcome."""
        _press(page, "Send a test")
        latest = page.locator(".rows li").first

        def reload_and_look() -> bool:
            page.reload()
            return outcome in latest.inner_text()

        wait_until(reload_and_look)


def _press(page: Page, name: str) -> None:
    """Press a button and wait for the next page, because leaving earlier would abort the request."""
    with page.expect_navigation():
        page.get_by_role("button", name=name).click()
