"""The doctor reads a file by its public URL, and says what a proxy or a web server does wrong."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from deploy.ports import any_free_port
from processing.models import Rendition
from processing.storages.local import LocalStorage
from uploads.monitoring.doctor import site
from uploads.monitoring.doctor.storage import written_probe
from uploads.serving import probes

pytestmark = [pytest.mark.any_database]
HEADERS = {
    "Content-Type": "image/png",
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}


class _Proxy(BaseHTTPRequestHandler):
    """Answer every request as the test says."""

    status, headers_sent, body = 200, HEADERS, b""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(self.status)
        for name, value in self.headers_sent.items():
            self.send_header(name, value.replace("<path>", self.path))
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@pytest.fixture
def proxy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Proxy]]:
    """Let SITE_URL be that of a server, and return its handler, which passes on everything."""
    monkeypatch.setattr(_Proxy, "body", probes.data())
    with ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        settings.DARKROOM = {**settings.DARKROOM, "SITE_URL": url}
        yield _Proxy
        server.shutdown()
        thread.join()


def test_file_is_read_with_its_headers(proxy: type[_Proxy]) -> None:
    assert site.problem() == ""


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (
            301,
            {"Location": "https://photos.example/renditions/x"},
            b"",
            "redirects to https://photos.example. Set",
        ),
        (400, {}, b"<h1>Bad Request</h1>", "Add 127.0.0.1 to ALLOWED_HOSTS"),
        (401, {}, b"", "asks for a password"),
        (404, {}, b"<h1>nginx</h1>", "does not come from Darkroom. Check SITE_URL"),
        (404, {}, json.dumps({"code": "not_found"}).encode(), "with another SECRET_KEY"),
        (404, {}, json.dumps({"code": "rendition_missing"}).encode(), "with another storage"),
        (502, {}, b"", "a proxy that does not reach the web server"),
        (503, {}, json.dumps({"code": "busy"}).encode(), "has the code busy"),
        (520, {}, b"", "does not come from Darkroom"),
        (200, HEADERS, b"<html>", "returned other bytes than those stored"),
    ],
)
def test_wrong_answer_is_explained(  # noqa: PLR0917 (its parameters)
    status: int,
    headers: dict[str, str],
    body: bytes,
    words: str,
    proxy: type[_Proxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"status": status, "headers_sent": headers, "body": body}.items():
        monkeypatch.setattr(proxy, name, value)
    assert words in site.problem()


def test_redirect_to_itself_is_explained(
    proxy: type[_Proxy], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "status", 301)
    monkeypatch.setattr(proxy, "headers_sent", {"Location": f"{settings.DARKROOM['SITE_URL']}<path>"})
    assert "redirects to itself. The proxy must set X-Forwarded-Proto" in site.problem()


@pytest.mark.parametrize("name", HEADERS)
def test_changed_header_is_named(name: str, proxy: type[_Proxy], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "headers_sent", {**HEADERS, name: "changed"})
    assert f"The header {name} of " in site.problem()
    assert "is 'changed' instead of" in site.problem()


def test_stopped_site_is_reported(settings: Settings) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "SITE_URL": f"http://127.0.0.1:{any_free_port()}"}
    assert "does not answer. Start the web server, or check SITE_URL" in site.problem()


def test_failed_storage_is_not_blamed_on_the_site(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    settings.MEDIA_ROOT = tmp_path / "file" / "media"
    assert site.problem() == "The site was not asked, because the storage failed."


@pytest.mark.django_db(transaction=True)
class TestURL:
    """The URL of a probe."""

    @pytest.fixture(autouse=True)
    def _storage_that_is_there(self) -> None:
        """Let the folder not look like an unmounted disk."""
        Path(default_storage.path("originals")).mkdir(parents=True, exist_ok=True)

    @pytest.fixture
    def written(self) -> Iterator[Rendition]:
        with written_probe() as probe:
            yield probe

    def test_url_returns_the_file_like_a_rendition(self, written: Rendition, client: Client) -> None:
        answer = client.get(probes.path_of(written))
        assert (answer.status_code, answer.content) == (200, probes.data())
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS

    def test_url_ends_with_the_file(self, client: Client) -> None:
        with written_probe() as probe:
            path = probes.path_of(probe)
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "rendition_missing")

    def test_unsigned_url_asks_no_storage(
        self, written: Rendition, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any) -> None:
            raise AssertionError("the storage was asked")

        monkeypatch.setattr(default_storage, "open", fail)
        for name in (written.preset, probes.path_of(written).rpartition("/")[2] + "x"):
            answer = client.get(f"/renditions/doctor/{name}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    def test_url_expires(self, written: Rendition, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        path = probes.path_of(written)
        monkeypatch.setattr(probes, "_SECONDS", -1)
        assert client.get(path).status_code == 404

    def test_web_server_with_another_storage_is_reported(
        self, live_server: LiveServer, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "SITE_URL": live_server.url}
        assert site.problem() == ""
        other = LocalStorage(location=tmp_path / "media")
        monkeypatch.setattr(default_storage, "open", other.open)
        assert "with another storage than this command has" in site.problem()
