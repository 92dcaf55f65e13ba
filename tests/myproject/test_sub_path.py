"""Below a sub-path: whole and stripped paths, with and without the server's `--root-path`."""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.http import HttpResponse
from django.middleware.security import SecurityMiddleware
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.urls import set_script_prefix

from myproject import asgi, staticfiles
from myproject.sub_path.requests import SubPath, with_sub_path
from myproject.sub_path.urls import public_url
from tests.conftest import key_of

SITE = "https://photos.example/photos"
# What a server passes on for `/photos/…`: its `root_path`, and what its paths begin with. uvicorn puts its
# `--root-path` before the path that the proxy sends, which may already have the sub-path.
WAYS = {
    "stripped, root path": ("/photos", "/photos"),
    "whole, root path": ("/photos", "/photos/photos"),
    "stripped": ("", ""),
    "whole": ("", "/photos"),
}


@pytest.fixture
def below_photos(settings: Any) -> None:
    """Put the site below `/photos`."""
    settings.SITE_URL, settings.SUB_PATH = SITE, "/photos"
    settings.DARKROOM = {**settings.DARKROOM, "SITE_URL": SITE}


@pytest.fixture(params=[pytest.param(way, id=name) for name, way in WAYS.items()])
def way(request: pytest.FixtureRequest, below_photos: None) -> tuple[str, str]:
    """Return each `root_path`, with what paths begin with."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture(autouse=True)
def _root() -> Iterator[None]:
    """End each test without a sub-path, which would stay with the thread."""
    yield
    set_script_prefix("/")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: int
    headers: list[tuple[str, str]]
    body: str

    def header(self, name: str) -> str:
        return next(value for key, value in self.headers if key == name)

    @property
    def cookies(self) -> dict[str, str]:
        """Return the path of each cookie."""
        cookie = SimpleCookie()
        for name, value in self.headers:
            if name == "set-cookie":
                cookie.load(value)
        return {name: morsel["path"] for name, morsel in cookie.items()}


def ask(way: tuple[str, str], path: str, *, method: str = "GET", **headers: str) -> Answer:
    """Send a request without a body."""
    root_path, beginning = way
    sent: list[Any] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "root_path": root_path,
        "path": f"{beginning}{path}",
        "query_string": b"",
        "headers": [
            (name.replace("_", "-").encode(), value.encode())
            for name, value in {"host": "localhost", **headers}.items()
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    asked = False

    async def receive() -> Any:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(asgi.application(scope, receive, send))
    return Answer(
        sent[0]["status"],
        [(name.decode().lower(), value.decode()) for name, value in sent[0]["headers"]],
        b"".join(message.get("body", b"") for message in sent[1:]).decode(),
    )


@pytest.mark.parametrize(
    ("root_path", "path", "expected"),
    [
        ("/photos", "/photos/api/uploads/", "/photos/api/uploads/"),
        ("/photos/", "/photos/api/uploads/", "/photos/api/uploads/"),
        ("/photos", "/photos/photos/api/uploads/", "/photos/api/uploads/"),
        ("", "/photos/api/uploads/", "/photos/api/uploads/"),
        ("", "/api/uploads/", "/photos/api/uploads/"),
        ("", "/photos", "/photos"),
        ("", "/photosynthesis/", "/photos/photosynthesis/"),
        ("/other", "/other/healthz", "/other/healthz"),
    ],
)
def test_sub_path_is_once_in_each_path(root_path: str, path: str, expected: str) -> None:
    scope = with_sub_path({"root_path": root_path, "path": path}, "/photos")
    assert scope["path"] == expected
    assert scope["root_path"] == (root_path.rstrip("/") or "/photos")


def test_site_at_the_root_keeps_its_paths() -> None:
    for path in ("/", "/photos/", "/api/uploads/"):
        assert with_sub_path({"path": path}, "") == {"path": path, "root_path": ""}


@pytest.mark.django_db(transaction=True)
@pytest.mark.any_database
class TestRequests:
    def test_page_links_below_the_sub_path(self, way: tuple[str, str]) -> None:
        page = ask(way, "/accounts/login/", accept="text/html")
        assert page.status == 200
        assert 'href="/photos/accounts/signup/"' in page.body
        assert 'action="/photos/i18n/setlang/"' in page.body
        assert 'value="/photos/accounts/login/"' in page.body  # where the choice of a language returns to

    def test_cookies_stay_below_the_sub_path(self, way: tuple[str, str]) -> None:
        assert ask(way, "/accounts/login/").cookies == {"csrftoken": "/photos/"}

    def test_redirects_stay_below_the_sub_path(self, way: tuple[str, str]) -> None:
        assert ask(way, "/").header("location") == "/photos/accounts/login/?next=/photos/"
        assert ask(way, "/account").header("location") == "/photos/account/"
        assert ask(way, "/favicon.ico").header("location").endswith("/uploads/favicon.svg")

    def test_json_has_whole_urls(self, way: tuple[str, str], owner: User) -> None:
        token = f"Token {key_of(owner)}"
        listed = ask(way, "/api/webhooks/", authorization=token, host="localhost")
        assert listed.status == 200
        schema = json.loads(ask(way, "/api/schema/", authorization=token, accept="application/json").body)
        assert schema["servers"] == [{"url": "/photos"}]
        assert "/api/uploads/" in schema["paths"]

    @pytest.mark.parametrize("path", ["/api/uploads/", "/"])
    def test_body_of_an_image_is_measured_as_such(self, way: tuple[str, str], owner: User, path: str) -> None:
        """Other requests may have 2.5 MB at most. A visitor is asked to sign in before the body is read."""
        megabytes = {
            "content_length": str(10 * 1024**2),
            "content_type": "multipart/form-data; boundary=edge",
        }
        answer = ask(way, path, method="POST", **megabytes)
        assert answer.status == (401 if path.startswith("/api") else 302)
        assert ask(way, "/api/settings/", method="POST", **megabytes).status == 413

    def test_limit_applies(
        self, way: tuple[str, str], owner: User, settings: Any, redis_client: object
    ) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "UPLOADS_PER_PERSON": "1/hour"}
        token = {
            "authorization": f"Token {key_of(owner)}",
            "content_type": "multipart/form-data; boundary=edge",
        }
        first, second = (
            ask(way, "/api/uploads/", method="POST", content_length="0", **token) for _ in range(2)
        )
        assert (first.status, second.status) == (400, 429)

    def test_errors_of_the_api_are_problems(self, way: tuple[str, str]) -> None:
        answer = ask(way, "/api/nothing/", accept="text/html")
        assert (answer.status, json.loads(answer.body)["code"]) == (404, "not_found")
        answer = ask(way, "/api/uploads/", accept="text/html", host="evil.example")
        assert (answer.status, json.loads(answer.body)["code"]) == (400, "invalid_host")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/healthz", None), ("/photos/readyz", None), ("/a/b/metrics", None), ("/photos/account/", 301)],
)
def test_only_monitoring_is_not_redirected_to_https(settings: Any, path: str, status: int | None) -> None:
    settings.SECURE_SSL_REDIRECT = True
    middleware = SecurityMiddleware(lambda _request: HttpResponse())
    redirect = middleware.process_request(RequestFactory().get(path))
    assert (redirect and redirect.status_code) == status


def test_path_without_its_last_slash_is_redirected(below_photos: None) -> None:
    answer = ask(("", ""), "/photos")
    assert (answer.status, answer.header("location")) == (301, "/photos/")


def test_urls_in_mail_begin_with_the_site_url(below_photos: None) -> None:
    """The web process knows the sub-path from its requests, and workers do not."""
    for prefix in ("/", "/photos/"):
        set_script_prefix(prefix)
        assert public_url("account_login") == f"{SITE}/accounts/login/"
        key = public_url("account_reset_password_from_key", uidb36="1", key="abc")
        assert key == f"{SITE}/accounts/password/reset/key/1-abc/"


def test_static_files_are_below_the_sub_path_of_the_request() -> None:
    storage = staticfiles.ModuleStorage()
    assert storage.base_url == "/static/"
    set_script_prefix("/photos")
    assert storage.base_url == "/photos/static/"


def test_page_of_a_server_error_is_below_the_sub_path() -> None:
    set_script_prefix("/photos")
    page = render_to_string("500.html")
    assert 'href="/photos/static/uploads/darkroom.css"' in page
    assert 'href="/photos/"' in page


def test_different_root_path_is_logged_once(below_photos: None, caplog: pytest.LogCaptureFixture) -> None:
    async def application(*_: object) -> None:
        pass

    sub_path = SubPath(application)
    scopes = [
        {"type": "http", "root_path": path, "path": "/"} for path in ("/photos", "", "/other", "/other")
    ]
    with caplog.at_level(logging.ERROR):
        for scope in scopes:
            asyncio.run(sub_path(scope, None, None))  # type: ignore[arg-type]  # nothing calls them
    (record,) = caplog.records
    assert "--root-path is /other, but SITE_URL is https://photos.example/photos" in record.getMessage()


@pytest.mark.parametrize(
    ("path", "is_accepted"),
    [
        ("", True), ("/photos", True), ("/a/b-c.d/photos_2~", True), ("/apis", True),
        ("/api", False), ("/static", False), ("/accounts/x", False), ("/i", False), ("/renditions", False),
        ("/a b", False), ("/a%20b", False), ("//photos", False), ("/fötos", False),
    ],
)  # fmt: skip
def test_sub_path_that_could_be_mistaken_is_refused(settings: Any, path: str, is_accepted: bool) -> None:
    settings.SUB_PATH = path
    errors = [message for message in run_checks() if message.id == "darkroom.E030"]
    assert not errors if is_accepted else "SITE_URL ends with" in errors[0].msg
