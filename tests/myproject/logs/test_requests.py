"""The line of a request: its route without keys, its status, and its id."""

import asyncio
import logging
from typing import Any

import pytest
from django.urls import resolve

from myproject.logs.requests import RequestLog, shown_path
from processing import correlation

UPLOAD = "6a0f7a3e-3a52-4f0c-8f1c-0d5f0c6e9c11"
GIVEN = b"0123456789abcdef"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/i/{UPLOAD}/thumb.webp", f"/i/{UPLOAD}/thumb.webp"),
        (f"/i/{UPLOAD}/{'x' * 60}", f"/i/{UPLOAD}/<name>"),
        (f"/api/uploads/{UPLOAD}/", f"/api/uploads/{UPLOAD}/"),
        ("/renditions/ab/secret/thumb-1.webp", "/renditions/<path>"),
        ("/account/verify/secret", "/account/verify/<key>"),
    ],
)
def test_path_is_shown_without_keys(path: str, shown: str) -> None:
    assert shown_path(resolve(path)) == shown


def test_key_of_a_password_reset_is_not_shown() -> None:
    shown = shown_path(resolve("/accounts/password/reset/key/1-secret1/"))
    assert "password/reset/key" in shown
    assert "secret1" not in shown


async def answered(
    *headers: tuple[bytes, bytes], client: tuple[str, int] = ("203.0.113.7", 0), status: int | None = 200
) -> str:
    """Pass on a request, and return the id that the response has and that the work sees."""
    seen: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(correlation.request_id())
        if status is not None:
            await send({"type": "http.response.start", "status": status, "headers": []})

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        seen.append(dict(message["headers"])[b"x-request-id"].decode())

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [*headers], "client": client}
    await RequestLog(application)(scope, receive, send)
    assert len(set(seen)) == 1
    return str(seen[0])


def test_id_of_the_proxy_is_taken() -> None:
    assert asyncio.run(answered((b"x-request-id", GIVEN))) == GIVEN.decode()


@pytest.mark.parametrize(
    ("values", "port"),
    [([], 0), ([GIVEN], 50123), ([GIVEN, GIVEN], 0), ([b"short"], 0), ([b"x" * 65], 0), ([b"a\nb" * 9], 0)],
    ids=["none", "from the client", "twice", "short", "long", "two lines"],
)
def test_other_id_is_replaced(values: list[bytes], port: int) -> None:
    given = [(b"x-request-id", value) for value in values]
    assert len(asyncio.run(answered(*given, client=("203.0.113.7", port)))) == 32
    assert correlation.request_id() == ""


@pytest.mark.parametrize(
    ("status", "level", "words"),
    [(200, logging.INFO, "200"), (503, logging.WARNING, "503"), (None, logging.INFO, "without a response")],
)
def test_request_has_one_line(
    caplog: pytest.LogCaptureFixture, status: int | None, level: int, words: str
) -> None:
    caplog.set_level(logging.DEBUG, "myproject.logs.requests")
    asyncio.run(answered(status=status))
    (line,) = [one for one in caplog.records if one.name == "myproject.logs.requests"]
    assert line.levelno == level
    assert line.getMessage().startswith(f"GET (no such path) {words} in ")
