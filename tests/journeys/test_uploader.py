"""The uploader in a real browser: user actions and interruptions."""

import json
import os
import re
import signal
import struct
import zlib
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.conftest import MakeImage
from tests.journeys.browsing import (
    PATIENCE,
    card,
    cut_line,
    devtools,
    expect_card,
    expect_row,
    limit_uploads,
    make_large,
    make_pictures,
    row,
    wait_for,
)
from tests.system import System, wait_until

pytestmark = pytest.mark.journey

# Bytes per second. A large picture takes 20 seconds, or 100 seconds in tests that interrupt it.
SLOW, INTERRUPTED = 100_000, 20_000
MANY = 200


@pytest.fixture
def page(newcomer: Page) -> Page:
    """Return the page of a new person."""
    return newcomer


def drop(page: Page, paths: list[Path]) -> None:
    """Drop files on the page as a file manager does."""
    session = devtools(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})
    expect(page.locator("#drop-target")).to_be_visible()
    session.send("Input.dispatchDragEvent", {"type": "drop", "x": 300, "y": 300, "data": data})


def test_files_and_folders_can_be_dropped_anywhere(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    (alone,) = make_pictures(tmp_path, make_image, ["alone.jpg"])
    # A browser lists at most 100 entries of a folder at a time.
    names = [f"album/{number}.jpg" for number in range(2)] + ["album/in/deep.jpg"]
    make_pictures(tmp_path, make_image, names, seed=10)
    (tmp_path / "album" / ".hidden").write_text("of a file manager")
    drop(page, [alone, tmp_path / "album"])
    for name in ("alone.jpg", "0.jpg", "1.jpg", "deep.jpg"):
        expect_card(page, name)
    expect(page.locator("#queue-rows > li")).to_have_count(4)
    expect(page.locator("#drop-target")).to_be_hidden()


def test_folder_can_be_chosen(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    make_pictures(tmp_path, make_image, ["trip/sea.jpg", "trip/day two/hill.jpg"], seed=20)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a folder").click()
    chooser.value.set_files(tmp_path / "trip")
    for name in ("sea.jpg", "hill.jpg"):
        expect_card(page, name)


def test_picture_can_be_pasted(page: Page) -> None:
    page.evaluate(
        """async () => {
          const canvas = Object.assign(document.createElement("canvas"), { width: 60, height: 40 });
          canvas.getContext("2d").fillRect(10, 10, 20, 20);
          const blob = await new Promise((resolve) => canvas.toBlob(resolve));
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File([blob], "image.png", { type: "image/png" }));
          document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
        }"""
    )
    expect(card(page, "pasted-")).to_have_attribute("data-status", "ready", timeout=PATIENCE)


def test_row_shows_its_progress(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    (path,) = make_large(tmp_path, make_image, ["large.png"])
    session = devtools(page)
    limit_uploads(session, SLOW)
    page.set_input_files("#file", path)
    expect(row(page, "large.png").locator(".status")).to_have_text(
        re.compile(r"\d+ % · [\d.]+ [kM]B/s · \d+ s"), timeout=PATIENCE
    )
    expect(page.locator("#queue-overall")).to_have_text(re.compile(r"0 of 1 uploaded · \d+ % · \d+ s left"))
    limit_uploads(session, -1)
    expect_row(page, "large.png", "ready")
    expect(row(page, "large.png").locator("a")).to_have_attribute(
        "href", re.compile(r"^/uploads/[0-9a-f-]{36}/$")
    )
    expect(page.locator("#queue-overall")).to_have_text("1 of 1 uploaded")


def test_upload_is_cancelled_and_retried(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    paths = make_large(tmp_path, make_image, ["first.png", "second.png"])
    session = devtools(page)
    limit_uploads(session, INTERRUPTED)
    page.set_input_files("#file", paths)
    expect_row(page, "second.png", "sending")
    page.get_by_role("button", name="Cancel: second.png").click()
    expect_row(page, "second.png", "cancelled")
    limit_uploads(session, -1)
    expect_row(page, "first.png", "ready")
    expect(card(page, "second.png")).to_have_count(0)
    page.get_by_role("button", name="Try again: second.png").click()
    expect_row(page, "second.png", "ready")
    expect_card(page, "second.png")


def test_all_uploads_are_cancelled(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(5)]
    limit_uploads(devtools(page), INTERRUPTED)
    page.set_input_files("#file", make_large(tmp_path, make_image, names))
    page.get_by_role("button", name="Cancel all").click()
    for name in names:
        expect_row(page, name, "cancelled")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#queue")).to_be_hidden()
    expect(page.locator("li.card")).to_have_count(0)


def web_process(system: System) -> int:
    return next(pid for pid, line in system.processes().items() if "uvicorn" in line)


def test_queue_waits_for_a_killed_server(
    page: Page, system: System, make_image: MakeImage, tmp_path: Path
) -> None:
    names = [f"{number}.png" for number in range(4)]
    session = devtools(page)
    limit_uploads(session, SLOW)
    page.set_input_files("#file", make_large(tmp_path, make_image, names))
    expect_row(page, "0.png", "sending")
    os.kill(web_process(system), signal.SIGKILL)
    expect(page.locator("#queue-notice")).to_contain_text("No connection", timeout=PATIENCE)
    limit_uploads(session, -1)
    for name in names:
        expect_row(page, name, "ready")
        expect_card(page, name)
    expect(page.locator("#queue-notice")).to_be_hidden()


def test_queue_waits_while_offline(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    paths = make_large(tmp_path, make_image, ["there.png", "back.png"])
    session = devtools(page)
    limit_uploads(session, INTERRUPTED)
    page.set_input_files("#file", paths)
    expect_row(page, "there.png", "sending")
    cut_line(session)
    expect(page.locator("#queue-notice")).to_contain_text("No connection", timeout=PATIENCE)
    limit_uploads(session, -1)
    for path in paths:
        expect_row(page, path.name, "ready")


def test_upload_succeeds_after_redis_is_killed(
    page: Page, system: System, make_image: MakeImage, tmp_path: Path
) -> None:
    redis = system.redis()
    assert redis is not None
    os.kill(redis, signal.SIGKILL)
    paths = make_pictures(tmp_path, make_image, ["one.jpg", "two.jpg"], seed=30)
    page.set_input_files("#file", paths)
    for path in paths:
        expect_row(page, path.name, "ready")
    wait_until(system.is_ready)


ALL_FOUR_ARE_KEPT = """async () => {
  if (!(await indexedDB.databases()).length) return false;
  const answer = (request) => new Promise((resolve) => {
    request.onsuccess = () => resolve(request.result);
  });
  const database = await answer(indexedDB.open("darkroom-unsent"));
  const kept = await answer(database.transaction("files").objectStore("files").count());
  database.close();
  return kept === 4;
}"""


def test_unsent_files_are_sent_after_a_reload(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(4)]
    session = devtools(page)
    limit_uploads(session, INTERRUPTED)
    page.set_input_files("#file", make_large(tmp_path, make_image, names))
    expect_row(page, "0.png", "sending")
    wait_for(page, ALL_FOUR_ARE_KEPT)
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    limit_uploads(session, -1)
    for name in names:
        expect_row(page, name, "ready")
        expect_card(page, name)
    page.reload()
    expect(page.locator("#queue")).to_be_hidden()


def test_file_that_was_not_kept_must_be_chosen_again(
    page: Page, make_image: MakeImage, tmp_path: Path
) -> None:
    (path,) = make_large(tmp_path, make_image, ["lost.png"])
    limit_uploads(devtools(page), 50_000)
    # A browser without free space stores only the name.
    page.evaluate(
        """() => {
          const put = IDBObjectStore.prototype.put;
          IDBObjectStore.prototype.put = function (entry) {
            if (entry.data) throw new DOMException("No room.", "QuotaExceededError");
            return put.call(this, entry);
          };
        }"""
    )
    page.set_input_files("#file", path)
    expect_row(page, "lost.png", "sending")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(row(page, "lost.png")).to_contain_text("Choose the file again")
    page.reload()
    expect(row(page, "lost.png")).to_have_count(0)


def test_each_tab_sends_its_own_files(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    mine, other = make_large(tmp_path, make_image, ["mine.png", "other.png"])
    limit_uploads(devtools(page), SLOW)
    page.set_input_files("#file", mine)
    expect_row(page, "mine.png", "sending")
    second = page.context.new_page()
    second.goto(page.url)
    second.set_input_files("#file", other)
    # A tab does not take over another active tab's files. Both tabs show the images of both.
    for tab in (second, page):
        for name in ("mine.png", "other.png"):
            expect_card(tab, name)
    expect(row(second, "mine.png")).to_have_count(0)
    expect(row(page, "other.png")).to_have_count(0)


def png_header(width: int, height: int) -> bytes:
    """Return a PNG with a header and no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n", struct.pack(">I", 13), header, struct.pack(">I", zlib.crc32(header))]
    return b"".join([*parts, struct.pack(">I", 16), b"IDAT", bytes(20)])


REFUSALS = {
    "letter.txt": (b"Dear Ada", "letter.txt is a text file"),
    "cut.jpg": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01", "cut.jpg"),
    "bomb.png": (png_header(60_000, 60_000), "pixels"),
}


def test_row_shows_the_reason_of_a_refusal(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    for name, (data, _) in REFUSALS.items():
        (tmp_path / name).write_bytes(data)
    (good,) = make_pictures(tmp_path, make_image, ["good.jpg"], seed=40)
    page.set_input_files("#file", [*(tmp_path / name for name in REFUSALS), good])
    for name, (_, words) in REFUSALS.items():
        expect_row(page, name, "failed")
        expect(row(page, name)).to_contain_text(words)
        # A retry is not offered, because the same bytes would be refused again.
        expect(row(page, name).locator(".retry")).to_be_hidden()
    expect_row(page, "good.jpg", "ready")
    expect(page.locator("#queue-overall")).to_have_text("1 of 1 uploaded · 3 failed")


def test_oversized_file_is_not_sent(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(51 * 1024 * 1024)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.set_input_files("#file", path)
    expect(row(page, "huge.jpg")).to_contain_text("the limit is")
    assert sent == []


def answer_with(page: Page, status: int, detail: str, headers: dict[str, str], times: int) -> None:
    """Answer the next uploads with this response, as a proxy or a quota would."""
    body = json.dumps({"status": status, "detail": detail, "code": "test"})

    def answer(route: Route) -> None:
        route.fulfill(status=status, body=body, headers=headers, content_type="application/problem+json")

    page.route("**/api/uploads/", answer, times=times)


@pytest.mark.parametrize(
    ("status", "detail"),
    [(413, "photo.jpg is too large."), (507, "Your room is used up: delete some images.")],
)
def test_row_shows_the_detail_of_any_error_response(
    page: Page, make_image: MakeImage, tmp_path: Path, status: int, detail: str
) -> None:
    answer_with(page, status, detail, {}, times=1)
    page.set_input_files("#file", make_pictures(tmp_path, make_image, ["photo.jpg"], seed=50 + status % 7))
    expect_row(page, "photo.jpg", "failed")
    expect(row(page, "photo.jpg")).to_contain_text(detail)
    # Quota can be freed, but a file that is too large stays too large.
    expect(row(page, "photo.jpg").locator(".retry")).to_be_visible(visible=status == 507)


def test_queue_pauses_when_the_server_asks_to_wait(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    answer_with(page, 429, "Too many.", {"Retry-After": "2"}, times=1)
    paths = make_pictures(tmp_path, make_image, [f"{number}.jpg" for number in range(5)], seed=60)
    page.set_input_files("#file", paths)
    expect(page.locator("#queue-notice")).to_contain_text("The server is busy", timeout=PATIENCE)
    for path in paths:
        expect_row(page, path.name, "ready")
    expect(page.locator("#queue-notice")).to_be_hidden()


def test_all_failed_uploads_are_retried(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    answer_with(page, 507, "No room.", {}, times=2)
    paths = make_pictures(tmp_path, make_image, ["one.jpg", "two.jpg"], seed=70)
    page.set_input_files("#file", paths)
    for path in paths:
        expect_row(page, path.name, "failed")
    page.get_by_role("button", name="Retry all failed").click()
    for path in paths:
        expect_row(page, path.name, "ready")


def test_page_polls_if_streams_are_blocked(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    page.route("**/api/events/**", lambda route: route.abort())
    page.reload()
    (path,) = make_pictures(tmp_path, make_image, ["asked.jpg"], seed=80)
    page.set_input_files("#file", path)
    expect_card(page, "asked.jpg")
    expect_row(page, "asked.jpg", "ready")


def test_page_stays_usable_with_hundreds_of_files(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    paths = make_pictures(tmp_path, make_image, [f"{number:03}.jpg" for number in range(MANY)])
    page.set_input_files("#file", paths)
    expect(page.locator("#queue-rows > li")).to_have_count(MANY)
    page.get_by_role("button", name="Collapse", exact=True).click()
    expect(page.locator("#queue-rows")).to_be_hidden()
    page.get_by_role("button", name="Expand").click()
    expect(page.locator("#queue-rows")).to_be_visible()
    # The page stayed responsive while it was sending.
    expect(page.locator("#queue-overall")).not_to_have_text(f"{MANY} of {MANY} uploaded")
    expect(page.locator("#queue-overall")).to_have_text(f"{MANY} of {MANY} uploaded", timeout=4 * PATIENCE)
    expect(page.locator("li.card")).to_have_count(MANY, timeout=PATIENCE)


def test_completion_is_announced_once(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    page.evaluate(
        """() => {
          window.told = [];
          const region = document.getElementById("announcements");
          const note = () => window.told.push(region.textContent);
          new MutationObserver(note).observe(region, { childList: true });
        }"""
    )
    paths = make_pictures(tmp_path, make_image, [f"{number}.jpg" for number in range(6)], seed=90)
    page.set_input_files("#file", paths)
    for path in paths:
        expect_row(page, path.name, "ready")
    wait_for(page, "window.told.some((text) => /changed|ready/.test(text))")
    told = " ".join(page.evaluate("window.told"))
    assert told.count("Finished") <= 1
    assert len(page.evaluate("window.told")) <= len(paths)
