"""A person uploads an image in the browser, views it, fetches it by URL and reprocesses it."""

import hashlib
import io
import json
import os
import signal
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.conftest import MakeImage
from tests.journeys.browsing import PATIENCE, sign_up, wait_for
from tests.journeys.mailbox import Mailbox
from tests.system import System, wait_until

pytestmark = pytest.mark.journey


def rendered(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in the folder of an original's renditions."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_image_is_uploaded_viewed_fetched_and_reprocessed(page: Page, system: System, photo: Path) -> None:
    page.set_input_files("#file", photo)

    card = page.locator("li[data-upload]", has_text=photo.name)
    expect(card).to_have_attribute("data-status", "ready", timeout=PATIENCE)
    thumbnail = card.locator("img")
    expect(thumbnail).to_be_visible()
    wait_for(page, "document.querySelector('li[data-upload] img').complete")
    assert thumbnail.evaluate("image => image.naturalWidth") > 0

    upload = card.get_attribute("data-upload")
    card.get_by_role("link").click()
    address = page.get_by_role("link", name="xlarge").last.get_attribute("href")
    answer = page.request.get(str(address))
    assert answer.status == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    picture = Image.open(io.BytesIO(answer.body()))
    assert picture.size == (1920, 1440)

    public_key = str(address).split("/")[-2]
    folder = Path(system.environment["MEDIA_ROOT"], "renditions", public_key[:2], public_key)
    before = rendered(folder)
    again = system.manage("reprocess", str(upload), "--force", "--sync", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["processed"] == 1
    assert rendered(folder) == before
    assert system.manage("audit").returncode == 0


def test_several_files_are_uploaded_and_a_text_file_is_refused(
    page: Page, make_image: MakeImage, tmp_path: Path
) -> None:
    names = ["one.jpg", "two.jpg", "three.jpg"]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(make_image(seed=10 + number))
    (tmp_path / "letter.txt").write_text("Dear Ada")
    page.set_input_files("#file", [tmp_path / name for name in [*names, "letter.txt"]])

    for name in names:
        card = page.locator("li[data-upload]", has_text=name)
        expect(card).to_have_attribute("data-status", "ready", timeout=PATIENCE)
    expect(page.locator("li.failed", has_text="letter.txt")).to_contain_text("Upload JPEG, PNG")


def test_duplicate_shows_the_existing_upload(page: Page, make_image: MakeImage, tmp_path: Path) -> None:
    path = tmp_path / "twice.jpg"
    path.write_bytes(make_image(seed=20))
    for _ in range(2):
        page.set_input_files("#file", path)
        card = page.locator("li[data-upload]", has_text="twice.jpg")
        expect(card).to_have_attribute("data-status", "ready", timeout=PATIENCE)
    expect(page.locator("li[data-upload]", has_text="twice.jpg")).to_have_count(1)
    expect(page.get_by_text("already uploaded").first).to_be_attached()


def test_upload_works_without_javascript(
    browser: Browser, system: System, make_image: MakeImage, tmp_path: Path
) -> None:
    path = tmp_path / "plain.png"
    path.write_bytes(make_image(seed=30, format="PNG"))
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(system.sign_in_link())
    page.set_input_files("#file", path)
    page.get_by_role("button", name="Upload", exact=True).click()
    # The page reloads while an upload is unfinished.
    card = page.locator("li[data-upload]", has_text="plain.png")
    expect(card).to_have_attribute("data-status", "ready", timeout=PATIENCE)
    expect(card.locator("img")).to_be_visible()
    context.close()


def test_new_user_uploads_and_gets_one_mail(
    browser: Browser, system: System, mailbox: tuple[Mailbox, str], make_image: MakeImage, tmp_path: Path
) -> None:
    path = tmp_path / "first.jpg"
    path.write_bytes(make_image(seed=40))
    context = browser.new_context()
    page = context.new_page()
    sign_up(page, system, mailbox[0], "grace")
    page.set_input_files("#file", path)
    expect(page.locator("li[data-upload]")).to_have_attribute("data-status", "ready", timeout=PATIENCE)

    received = mailbox[0]
    wait_until(lambda: len(received.subjects_to("grace@example.com")) == 3)
    assert received.subjects_to("grace@example.com").count("1 image is ready") == 1

    system.manage("reprocess", "--owner", "grace", "--all", "--force", "--sync")
    assert len(received.subjects_to("grace@example.com")) == 3
    context.close()


def test_password_is_reset(browser: Browser, system: System, mailbox: tuple[Mailbox, str]) -> None:
    make_person = "User.objects.create_user('joan', 'joan@example.com', 'forgotten by tomorrow')"
    system.manage("shell", "-c", f"from django.contrib.auth.models import User; {make_person}")
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{system.url}/accounts/password/reset/")
    page.fill("[name=email]", "joan@example.com")
    page.locator("main form button[type=submit]").click()
    page.goto(mailbox[0].link_to("joan@example.com", "/accounts/password/reset/key/"))
    page.fill("[name=password1]", "remembered from now on")
    page.fill("[name=password2]", "remembered from now on")
    page.locator("main form button, main form input[type=submit]").first.click()
    page.goto(f"{system.url}/accounts/login/")
    page.fill("[name=login]", "joan")
    page.fill("[name=password]", "remembered from now on")
    page.locator("main form button[type=submit]").click()
    expect(page).to_have_url(f"{system.url}/")
    context.close()


def send_by_token(system: System, token: str, data: bytes, name: str) -> tuple[int, dict[str, object]]:
    """Upload as curl does. Return the status and the JSON."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    request = urllib.request.Request(
        f"{system.url}/api/uploads/",
        data=head + data + f"\r\n--{boundary}--\r\n".encode(),
        headers={
            "Authorization": f"Token {token}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        },
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.status, json.load(answer)


def test_killed_redis_loses_no_upload(system: System, make_image: MakeImage) -> None:
    token = system.manage("drf_create_token", "demo").stdout.split()[2]
    sent = []
    for number in range(12):
        if number == 6:
            redis = system.redis()
            assert redis is not None
            os.kill(redis, signal.SIGKILL)
        status, upload = send_by_token(system, token, make_image(seed=50 + number), f"{number}.jpg")
        assert status == 201
        sent.append(upload["url"])

    def unfinished() -> int:
        return sum(status_of(url, token) != "ready" for url in sent)

    wait_until(lambda: unfinished() == 0)
    assert system.manage("audit").returncode == 0


def status_of(url: object, token: str) -> str:
    return str(upload_at(url, token)["status"])


def upload_at(url: object, token: str) -> Any:
    request = urllib.request.Request(str(url), headers={"Authorization": f"Token {token}"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)
