"""A site below `/photos`, behind a real nginx: pages, API, events, static files, mail, and a browser."""

import http.client
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.conf import settings
from playwright.sync_api import Response, expect

from deploy import programs
from deploy.ports import HOST, any_free_port
from tests.conftest import IN_CI, MakeImage
from tests.faults.person import multipart
from tests.install import nginx
from tests.journeys import chromium
from tests.journeys.browsing import PATIENCE, obeying
from tests.system import System, wait_until

pytestmark = pytest.mark.install

DOORS = ("stripped", "whole", "stripped, root path", "whole, root path")
MEGABYTE = 1 << 20
_seeds = count()


@dataclass(frozen=True, slots=True)
class Site:
    """A running site, the ports at which nginx passes requests on to it, and a token of the demo person."""

    system: System
    doors: dict[str, int]
    url: str
    token: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run a site with two web servers, one of them with `--root-path`, and nginx in front of both."""
    if nginx.PROGRAM is None:
        if IN_CI:
            pytest.fail("There is no nginx.")
        pytest.skip("There is no nginx; on Debian and Ubuntu: apt-get install nginx-light")
    folder = tmp_path_factory.mktemp("site")
    system = System(folder, MAX_UPLOAD_BYTES=str(6 * MEGABYTE))
    other_port = any_free_port()
    ways = ((port, is_stripped) for port in (system.port, other_port) for is_stripped in (True, False))
    proxy = nginx.Nginx(folder, dict(zip(DOORS, ways, strict=True)))
    url = f"http://{HOST}:{proxy.doors['whole']}/photos"
    system.environment["SITE_URL"] = url
    with system.ready(), _with_root_path(system, other_port), proxy.running():
        token = system.manage("drf_create_token", "demo").stdout.split()[2]
        yield Site(system, proxy.doors, url, token)


@contextmanager
def _with_root_path(system: System, port: int) -> Iterator[None]:
    """Run another web server of the system with `--root-path`."""
    command = (*programs.web(port=port, log_level="INFO").command, "--root-path", "/photos")
    environment = {**system.environment, "DEMO": "1"}
    with subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment) as process:
        try:
            wait_until(lambda: process.poll() is not None or _is_open(port))
            yield
        finally:
            process.terminate()


def _is_open(port: int) -> bool:
    try:
        return Visitor(port).ask("GET", "/healthz").status == 200
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Visitor:
    """A client at one port, with a token if it has one."""

    port: int
    token: str = ""

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        with closing(self.connection()) as connection:
            connection.request(method, path, body, {**self.authorization, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(HOST, self.port, timeout=60)

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}"} if self.token else {}

    def send(self, data: bytes) -> Answer:
        return self.ask("POST", "/photos/api/uploads/", *multipart(data, name="photo.png"))

    def get(self, url: str) -> Answer:
        """Follow a URL of the site."""
        parts = urlsplit(url)
        assert (parts.hostname, parts.port) == (HOST, self.port), url
        assert parts.path.startswith("/photos/"), url
        return self.ask("GET", parts._replace(scheme="", netloc="").geturl())


@pytest.fixture(params=DOORS)
def program(request: pytest.FixtureRequest, site: Site) -> Visitor:
    """Return a client with a token behind each door."""
    return Visitor(site.doors[request.param], site.token)


def large(make_image: MakeImage) -> bytes:
    """Return a new image of more than 2.5 MB, the limit of requests without images."""
    return make_image(seed=next(_seeds), width=1200, height=900, format="PNG", compress_level=0)


def test_image_is_sent_and_fetched_by_the_urls_of_the_api(program: Visitor, make_image: MakeImage) -> None:
    answer = program.send(large(make_image))
    assert answer.status == 201, answer.body
    url = answer.json()["url"]
    wait_until(lambda: program.get(url).json()["status"] == "ready")
    upload = program.get(url).json()
    for address in (upload["image_url"], *(rendition["url"] for rendition in upload["renditions"])):
        assert program.get(address).status == 200
    assert program.get(url.replace(upload["id"], "nothing")).status == 404


def test_limits_apply(program: Visitor) -> None:
    for body in (bytes(7 * MEGABYTE), iter([bytes(MEGABYTE)] * 7)):
        answer = program.ask("POST", "/photos/api/uploads/", body)  # type: ignore[arg-type]  # chunked
        assert (answer.status, answer.json()["code"]) == (413, "too_large")
        assert "6 MB" in answer.json()["detail"]
    assert program.ask("PATCH", "/photos/api/settings/", bytes(3 * MEGABYTE)).status == 413
    # The body guard refuses a visitor before the body has arrived.
    with closing(program.connection()) as connection:
        connection.putrequest("POST", "/photos/api/uploads/")
        connection.putheader("Content-Length", str(5 * MEGABYTE))
        connection.endheaders(b"x")
        assert connection.getresponse().status == 401


def test_events_arrive(program: Visitor, make_image: MakeImage) -> None:
    with closing(program.connection()) as connection:
        connection.request("GET", "/photos/api/events/", headers=program.authorization)
        stream = connection.getresponse()
        assert stream.status == 200
        upload = program.send(large(make_image)).json()["id"]
        line = b""
        while upload.encode() not in line:
            line = stream.readline()
            assert line
        assert json.loads(line.removeprefix(b"data: "))["type"] == "upload.received"


def test_page_and_everything_that_it_names_are_below_the_sub_path(program: Visitor) -> None:
    page = Visitor(program.port).ask("GET", "/photos/accounts/login/")
    assert page.status == 200
    addresses = set(re.findall(r'(?:href|src|action)="(/[^"]*)"', page.body.decode()))
    assert len(addresses) > 5
    assert {address for address in addresses if not address.startswith("/photos/")} == set()
    for address in addresses - {"/photos/i18n/setlang/"}:
        assert program.ask("GET", address).status in {200, 302}, address
    cookie = SimpleCookie(page.headers["Set-Cookie"])
    assert [(name, morsel["path"]) for name, morsel in cookie.items()] == [("csrftoken_photos", "/photos/")]


def test_servers_are_checked_without_the_proxy(site: Site) -> None:
    for path in ("/healthz", "/readyz", "/photos/healthz", "/metrics"):
        assert Visitor(site.system.port).ask("GET", path).status == 200


def test_reset_mail_has_a_link_that_works(site: Site) -> None:
    visitor = Visitor(site.doors["whole"])
    page = visitor.ask("GET", "/photos/accounts/password/reset/")
    token = SimpleCookie(page.headers["Set-Cookie"])["csrftoken_photos"].value
    form = {"email": "demo@localhost", "csrfmiddlewaretoken": token}
    headers = {
        "Cookie": f"csrftoken_photos={token}", "Content-Type": "application/x-www-form-urlencoded",
    }  # fmt: skip
    answer = visitor.ask("POST", "/photos/accounts/password/reset/", urlencode(form).encode(), headers)
    assert answer.headers["Location"] == "/photos/accounts/password/reset/done/"
    folder = site.system.var / "mail"
    start = re.escape(f"{site.url}/accounts/password/reset/key/")

    def sent() -> list[str]:
        return [
            link
            for path in folder.glob("*.log")
            for link in re.findall(rf"{start}\S+(?=\n)", path.read_text())
        ]

    # The file is there before its text.
    wait_until(sent)
    # allauth keeps the key in the session, so that no page with other resources has it in its URL.
    assert visitor.get(sent()[0]).headers["Location"].startswith("/photos/accounts/password/reset/key/")


def test_browser_uploads_and_shows_an_image(site: Site, make_image: MakeImage, tmp_path: Path) -> None:
    executable = chromium.path()
    if executable is None:
        if IN_CI:
            pytest.fail("There is no Chromium.")
        pytest.skip("There is no Chromium; install it, or set CHROMIUM to its path.")
    # The other tests of this site send files of another name.
    photo = tmp_path / "browser.png"
    photo.write_bytes(large(make_image))
    statuses: dict[str, int] = {}

    def note(answer: Response) -> None:
        statuses[answer.url] = answer.status

    with chromium.launched(executable) as browser, obeying(browser.new_context()) as context:
        page = context.new_page()
        page.on("response", note)
        page.goto(site.system.sign_in_link())
        expect(page).to_have_url(f"{site.url}/")
        page.set_input_files("#file", photo)
        card = page.locator("li[data-upload]", has_text=photo.name)
        expect(card).to_have_attribute("data-status", "ready", timeout=PATIENCE)
        wait_until(lambda: card.locator("img").evaluate("image => image.complete && image.naturalWidth > 0"))
        card.get_by_role("link").click()
        expect(page.get_by_role("link", name="xlarge").last).to_have_attribute(
            "href", re.compile(f"^{site.url}/")
        )
        for path in ("/account/", "/status/", "/admin/", "/api/docs/"):
            page.goto(f"{site.url}{path}")
            page.wait_for_load_state("networkidle")
        page.goto(f"{site.url}/")
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(f"{site.url}/accounts/login/")
        assert {cookie["path"] for cookie in context.cookies()} == {"/photos/"}
    assert {url for url in statuses if not url.startswith((f"{site.url}/", "data:"))} == set()
    assert {url: status for url, status in statuses.items() if status >= 400} == {}
