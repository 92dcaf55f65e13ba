"""`STATES` lists every page and state of the site. Each is reached as a person reaches it."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.journeys.stage import NEWCOMER, PASSWORD, PERSON, STAFF, Stage

State = Callable[[Stage], AbstractContextManager[Page]]
STATES: dict[str, State] = {}

# The minimum duration of a throttled upload in seconds, and a file size above the limit in bytes.
SENDING = 60
TOO_MANY = 50 * 1024 * 1024 + 1
DRAG = """() => setInterval(() => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File(["x"], "sea.jpg"));
  document.dispatchEvent(new DragEvent("dragover", { dataTransfer, cancelable: true }));
}, 100)"""


def state(function: Callable[[Stage], Iterator[Page]]) -> State:
    """Register a state: a context manager that yields a page in that state."""
    STATES[function.__name__] = contextmanager(function)
    return STATES[function.__name__]


# --- Visitors ---------------------------------------------------------------------------------------


@state
def sign_in(stage: Stage) -> Iterator[Page]:
    with stage.visit() as page:
        expect(page).to_have_url(re.compile("/accounts/login/"))
        yield page


@state
def sign_in_refused(stage: Stage) -> Iterator[Page]:
    with stage.visit("/accounts/login/") as page:
        page.fill("[name=login]", PERSON)
        page.fill("[name=password]", f"not {PASSWORD}")
        page.locator("main form button[type=submit]").click()
        expect(page.locator(".errorlist")).to_be_visible()
        yield page


@state
def sign_up(stage: Stage) -> Iterator[Page]:
    with stage.visit("/accounts/signup/") as page:
        yield page


@state
def password_reset(stage: Stage) -> Iterator[Page]:
    with stage.visit("/accounts/password/reset/") as page:
        yield page


@state
def verification_sent(stage: Stage) -> Iterator[Page]:
    with stage.visit("/accounts/confirm-email/") as page:
        yield page


@state
def verification_link_expired(stage: Stage) -> Iterator[Page]:
    with stage.visit("/accounts/confirm-email/an-old-key/") as page:
        yield page


@state
def not_found(stage: Stage) -> Iterator[Page]:
    with stage.visit("/nothing/") as page:
        expect(page.get_by_role("heading", name="Page not found")).to_be_visible()
        yield page


# --- The gallery ------------------------------------------------------------------------------------


@state
def gallery_empty(stage: Stage) -> Iterator[Page]:
    with stage.visit(person=NEWCOMER) as page:
        expect(page.get_by_role("heading", name="No images yet")).to_be_visible()
        yield page


@state
def gallery_full(stage: Stage) -> Iterator[Page]:
    """Show images of all kinds: ready, private, failed and processing."""
    with stage.held("renditions"), stage.visit(person=PERSON) as page:
        sent = stage.pictures(1)
        page.set_input_files("#file", sent)
        expect(page.locator(".card.processing img")).to_be_visible()
        page.reload()
        expect(page.locator(".card.processing img")).to_be_visible()
        yield page


@state
def gallery_filtered_to_nothing(stage: Stage) -> Iterator[Page]:
    with stage.visit(person=PERSON) as page:
        page.fill("#q", "no such name")
        expect(page.get_by_text("No images match.")).to_be_visible()
        yield page


@state
def selection(stage: Stage) -> Iterator[Page]:
    with stage.visit(person=PERSON) as page:
        for number in range(1, 4):
            page.locator(".card input").nth(number).check()
        expect(page.locator("#selected-count")).to_have_text("3 selected")
        yield page


@state
def deleted(stage: Stage) -> Iterator[Page]:
    """Show the message after a deletion, and undo the deletion at the end."""
    with stage.visit(person=PERSON) as page:
        page.locator(".card.ready input").first.check()
        page.get_by_role("button", name="Delete").click()
        undo = page.get_by_role("button", name="Undo")
        expect(undo).to_be_visible()
        yield page
        undo.click()
        expect(page.get_by_text("1 image restored.")).to_be_visible()


@state
def drop_target(stage: Stage) -> Iterator[Page]:
    with stage.visit(person=PERSON) as page:
        page.evaluate(DRAG)
        expect(page.locator("#drop-target")).to_be_visible()
        yield page


# --- The queue --------------------------------------------------------------------------------------


class Line:
    """A throttled connection between a page and the server."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Network.enable")
        self._limits: dict[str, float] = {"latency": 20, "downloadThroughput": -1}

    def limit(self, *, speed: float) -> None:
        """Limit the upload rate, in bytes per second."""
        self._limits["uploadThroughput"] = speed
        self._session.send("Network.emulateNetworkConditions", {**self._limits, "offline": False})

    def cut(self) -> None:
        """Block the connection in both directions."""
        self._session.send("Network.emulateNetworkConditions", {**self._limits, "offline": True})


def send_slowly(page: Page, files: list[Path]) -> Line:
    """Throttle the connection so that the files take a minute."""
    line = Line(page)
    line.limit(speed=sum(file.stat().st_size for file in files) / SENDING)
    page.set_input_files("#file", files)
    expect(page.locator(".sent.sending .status").first).to_contain_text(re.compile("[1-9]\\d %"))
    return line


@state
def queue_sending(stage: Stage) -> Iterator[Page]:
    with stage.visit(person=PERSON) as page:
        page.set_input_files("#file", stage.pictures(2))
        expect(page.locator(".sent.ready")).to_have_count(2)
        send_slowly(page, stage.pictures(5))
        yield page


@state
def queue_offline(stage: Stage) -> Iterator[Page]:
    with stage.visit(person=PERSON) as page:
        send_slowly(page, stage.pictures(4)).cut()
        notice = page.locator("#queue-notice")
        expect(notice).to_contain_text("No connection")
        yield page
        expect(notice).to_be_visible()


@state
def queue_failed(stage: Stage) -> Iterator[Page]:
    """Show files refused by the page, refused by the server, and failed in processing."""
    with stage.visit(person=PERSON) as page:
        files = [stage.file("wall.jpg", size=TOO_MANY), stage.file("letter.txt"), stage.broken_picture()]
        page.set_input_files("#file", [*stage.pictures(1), *files])
        expect(page.locator(".sent.failed")).to_have_count(3)
        expect(page.locator(".sent.ready")).to_have_count(1)
        yield page


@state
def queue_processing(stage: Stage) -> Iterator[Page]:
    with stage.held("renditions"), stage.visit(person=PERSON) as page:
        page.set_input_files("#file", stage.pictures(2))
        expect(page.locator(".sent.processing")).to_have_count(2)
        expect(page.locator(".card.processing img")).to_have_count(2)
        yield page


@state
def queue_folded(stage: Stage) -> Iterator[Page]:
    with stage.visit(person=PERSON) as page:
        send_slowly(page, stage.pictures(4))
        page.get_by_role("button", name="Collapse", exact=True).click()
        expect(page.locator("#queue-rows")).to_be_hidden()
        yield page


@state
def queue_complete(stage: Stage) -> Iterator[Page]:
    with stage.visit(person=PERSON) as page:
        page.set_input_files("#file", stage.pictures(3))
        expect(page.locator(".sent.ready")).to_have_count(3)
        yield page


# --- Notices ----------------------------------------------------------------------------------------


@state
def notices(stage: Stage) -> Iterator[Page]:
    with stage.visit("/notices/", person=PERSON) as page:
        yield page


@state
def bell_open(stage: Stage) -> Iterator[Page]:
    with stage.visit(person=PERSON) as page:
        page.locator("#bell summary").click()
        expect(page.locator("#latest li").first).to_be_visible()
        yield page


# --- One image --------------------------------------------------------------------------------------


def open_image(page: Page, kind: str) -> None:
    """Open the first image of a kind."""
    page.locator(f".card.{kind} a.picture").first.click()
    expect(page.locator("#image")).to_be_visible()


@state
def image_ready(stage: Stage) -> Iterator[Page]:
    with stage.visit("/?q=-000", person=PERSON) as page:
        open_image(page, "ready")
        yield page


@state
def image_unfinished(stage: Stage) -> Iterator[Page]:
    with stage.held("thumbnails"), stage.visit(person=PERSON) as page:
        page.set_input_files("#file", stage.pictures(1))
        expect(page.locator(".card.pending")).to_be_visible()
        open_image(page, "pending")
        yield page


@state
def image_failed(stage: Stage) -> Iterator[Page]:
    with stage.visit(person=PERSON) as page:
        open_image(page, "failed")
        yield page


@state
def image_truncated(stage: Stage) -> Iterator[Page]:
    with stage.visit(person=PERSON) as page:
        page.set_input_files("#file", stage.truncated_picture())
        page.locator(".card.ready", has_text="truncated-").first.locator("a.picture").click()
        expect(page.get_by_text("Incomplete file")).to_be_visible()
        yield page


@state
def image_replaceable(stage: Stage) -> Iterator[Page]:
    with stage.visit("/?q=-000", person=PERSON) as page:
        open_image(page, "ready")
        page.get_by_text("Replace the picture…").click()
        expect(page.get_by_label("New file")).to_be_visible()
        yield page


@state
def image_focus_moved(stage: Stage) -> Iterator[Page]:
    with stage.visit("/?q=-000", person=PERSON) as page:
        open_image(page, "ready")
        page.locator("#aim").click(position={"x": 40, "y": 60})
        page.get_by_role("button", name="Save the focal point").click()
        expect(page.get_by_text("Set by you.")).to_be_visible()
        expect(page.locator(".image .status")).to_contain_text("ready")
        yield page


@state
def image_shared(stage: Stage) -> Iterator[Page]:
    """Show a private image with a new link, and revoke the link at the end."""
    with stage.visit(person=PERSON) as page:
        page.locator(".card", has=page.locator(".badge")).first.locator("a").click()
        page.get_by_role("button", name="Create a link and copy it").click()
        expect(page.locator("[data-made]")).to_contain_text("The new link works until")
        page.get_by_text("Revoke all", exact=True).click()
        yield page
        page.get_by_role("button", name="Revoke all links to this image").click()
        expect(page.get_by_text("All private links revoked.")).to_be_visible()


# --- The account ------------------------------------------------------------------------------------


@state
def account(stage: Stage) -> Iterator[Page]:
    with stage.visit("/account/", person=PERSON) as page:
        page.get_by_label("Name, such as").fill("The shop's content management system")
        page.get_by_role("button", name="Create token").click()
        expect(page.locator(".token code").first).to_be_visible()
        page.locator("summary", has_text="Revoke").first.click()
        yield page


@state
def refused_address(stage: Stage) -> Iterator[Page]:
    with stage.visit("/account/", person=NEWCOMER) as page:
        expect(page.get_by_text("Nothing is mailed to")).to_be_visible()
        yield page


@state
def delete_account(stage: Stage) -> Iterator[Page]:
    with stage.visit("/account/delete", person=NEWCOMER) as page:
        page.fill("[name=password]", f"not {PASSWORD}")
        page.get_by_role("button", name="Delete the account and all images").click()
        expect(page.locator(".errorlist")).to_be_visible()
        yield page


@state
def account_deleted(stage: Stage) -> Iterator[Page]:
    with stage.visit("/account/deleted") as page:
        expect(page.get_by_role("heading", name="Account deleted")).to_be_visible()
        yield page


@state
def change_password(stage: Stage) -> Iterator[Page]:
    with stage.visit("/accounts/password/change/", person=PERSON) as page:
        yield page


@state
def change_email(stage: Stage) -> Iterator[Page]:
    with stage.visit("/accounts/email/", person=PERSON) as page:
        expect(page.get_by_role("heading", name="Address to verify")).to_be_visible()
        yield page


@state
def webhooks(stage: Stage) -> Iterator[Page]:
    with stage.visit("/account/webhooks/", person=PERSON) as page:
        expect(page.locator(".rows li")).to_have_count(2)
        yield page


@state
def webhook_with_deliveries(stage: Stage) -> Iterator[Page]:
    with stage.visit("/account/webhooks/", person=PERSON) as page:
        page.locator(".rows li a").first.click()
        page.get_by_text("Show the secret").click()
        expect(page.locator(".rows .good").first).to_be_visible()
        yield page


# --- Staff ------------------------------------------------------------------------------------------


@state
def status_calm(stage: Stage) -> Iterator[Page]:
    with stage.visit("/status/", person=STAFF) as page:
        expect(page.locator(".well")).to_be_visible()
        yield page


@state
def status_alarm(stage: Stage) -> Iterator[Page]:
    with stage.held("renditions"), stage.visit("/status/", person=STAFF) as page:
        expect(page.locator(".alarm")).to_be_visible()
        yield page
