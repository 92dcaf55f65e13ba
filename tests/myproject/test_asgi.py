"""The web process accepts chunked bodies, and limits the requests at work."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from rest_framework.test import APIClient

from myproject.asgi import Handler, application
from tests.conftest import MakeImage, key_of
from tests.system import wait_until
from uploads.monitoring import readiness
from uploads.receiving import turns
from uploads.receiving.turns import Turns

pytestmark = pytest.mark.any_database


async def post(*, token: str, chunks: list[bytes]) -> tuple[int, dict[str, Any]]:
    """Send a body in pieces, without its length."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/uploads/",
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"authorization", f"Token {token}".encode()),
            (b"content-type", b"multipart/form-data; boundary=edge"),
            (b"transfer-encoding", b"chunked"),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    incoming = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    incoming.append({"type": "http.request", "body": b"", "more_body": False})
    outgoing: list[Any] = []
    answered = asyncio.Event()

    async def receive() -> Any:
        if incoming:
            return incoming.pop(0)
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        outgoing.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            answered.set()

    await application(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in outgoing[1:])
    return outgoing[0]["status"], json.loads(body)


@pytest.mark.django_db(transaction=True)
def test_chunked_body_is_accepted(make_image: MakeImage, client_of: Callable[[User], APIClient]) -> None:
    owner = User.objects.create_user("ada")
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n\r\n'
    status, upload = asyncio.run(post(token=key_of(owner), chunks=[head, make_image(), b"\r\n--edge--\r\n"]))
    assert status == 201, upload
    assert client_of(owner).get(f"/api/uploads/{upload['id']}/").data["filename"] == "photo.jpg"


@pytest.mark.django_db(transaction=True)
def test_request_switches_threads_only_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's own middleware chain switches for each of its parts, which costs more than many views."""
    switches: list[object] = []
    call = SyncToAsync.__call__

    def count(self: Any, *args: Any, **kwargs: Any) -> Any:
        switches.append(self.func)
        return call(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", count)
    status, _problem = asyncio.run(post(token="nobody's", chunks=[]))
    assert status == 401
    # The body guard authenticates the request and refuses it, so the view never runs.
    assert len(switches) <= 8, switches


class Exchange:
    """One GET request to a handler, and its response."""

    def __init__(self, path: str = "/", *, accept: str = "*/*", query: bytes = b"") -> None:
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "query_string": query,
            "headers": [(b"host", b"localhost"), (b"accept", accept.encode())],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        self.gone = asyncio.Event()
        self._sent: list[Any] = []
        self._asked = False

    async def ask(self, handler: Handler) -> "Exchange":
        async with asyncio.timeout(60):
            await handler(self.scope, self._receive, self._send)
        return self

    async def _receive(self) -> Any:
        if self._asked:
            await self.gone.wait()
            return {"type": "http.disconnect"}
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Any) -> None:
        self._sent.append(message)

    @property
    def status(self) -> int:
        return int(self._sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode().lower(): value.decode() for name, value in self._sent[0]["headers"]}

    @property
    def body(self) -> str:
        return b"".join(message.get("body", b"") for message in self._sent[1:]).decode()


class Views:
    """A view that works until it is let go, and counts how many threads are in it."""

    def __init__(self, handler: Handler, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = threading.Event()
        self.at_work = 0
        self._lock = threading.Lock()
        self._get_response = handler.get_response
        monkeypatch.setattr(handler, "get_response", self.get_response)

    def get_response(self, request: HttpRequest) -> Any:
        if request.path != "/slow/":
            return self._get_response(request)
        with self._lock:
            self.at_work += 1
        assert self.go_on.wait(60)
        with self._lock:
            self.at_work -= 1
        return HttpResponse("done")


class TestTurns:
    @pytest.fixture
    def handler(self) -> Handler:
        return Handler(Turns(2))

    @pytest.fixture
    def views(self, handler: Handler, monkeypatch: pytest.MonkeyPatch) -> Iterator[Views]:
        views = Views(handler, monkeypatch)
        yield views
        views.go_on.set()

    @asynccontextmanager
    async def all_taken(self, handler: Handler, views: Views) -> AsyncIterator[list[Exchange]]:
        """Let two requests take both turns until the end."""
        both = [Exchange("/slow/") for _ in range(2)]
        asked = [asyncio.create_task(one.ask(handler)) for one in both]
        await asyncio.to_thread(wait_until, lambda: views.at_work == 2)
        try:
            yield both
        finally:
            views.go_on.set()
            await asyncio.wait(asked)

    @pytest.mark.parametrize(
        ("path", "accept", "kind"),
        [
            ("/api/uploads/", "text/html", "application/problem+json"),
            ("/", "text/html,*/*", "text/html; charset=utf-8"),
            ("/", "*/*", "application/problem+json"),
        ],
    )
    def test_request_beyond_the_limit_is_busy(
        self,
        *,
        handler: Handler,
        views: Views,
        monkeypatch: pytest.MonkeyPatch,
        path: str,
        accept: str,
        kind: str,
    ) -> None:
        monkeypatch.setattr(turns, "_PATIENCE", 0.1)

        async def test() -> Exchange:
            async with self.all_taken(handler, views):
                return await Exchange(path, accept=accept).ask(handler)

        answer = asyncio.run(test())
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert answer.headers["content-type"] == kind
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        if kind == "application/problem+json":
            assert json.loads(answer.body)["code"] == "busy"
        else:
            assert "The server is busy." in answer.body

    def test_waiting_request_is_answered_when_a_turn_is_free(self, handler: Handler, views: Views) -> None:
        async def test() -> tuple[list[Exchange], Exchange]:
            async with self.all_taken(handler, views) as first:
                waiting = asyncio.create_task(Exchange("/slow/").ask(handler))
                await asyncio.sleep(0)
                assert views.at_work == 2
                views.go_on.set()
                return first, await waiting

        first, last = asyncio.run(test())
        assert [one.status for one in (*first, last)] == [200, 200, 200]

    def test_monitoring_is_answered_while_all_turns_are_taken(
        self, handler: Handler, views: Views, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = readiness.Readiness(
            problems={"database": "", "storage": "", "workers": "away"},
            depths=None,
            workers=None,
            beat_at=None,
        )
        monkeypatch.setattr(readiness, "look", lambda: seen)

        async def test() -> list[Exchange]:
            async with self.all_taken(handler, views):
                many = [Exchange(path) for path in ("/healthz", "/readyz") for _ in range(30)]
                return await asyncio.gather(*(one.ask(handler) for one in many))

        assert {one.status for one in asyncio.run(test())} == {200}

    def test_request_of_a_client_that_has_gone_keeps_its_turn(
        self, handler: Handler, views: Views, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Clients that come and go cannot start more and more threads."""
        monkeypatch.setattr(turns, "_PATIENCE", 0.1)

        async def test() -> Exchange:
            async with self.all_taken(handler, views) as both:
                for one in both:
                    one.gone.set()
                await asyncio.sleep(0)
                return await Exchange("/slow/").ask(handler)

        assert asyncio.run(test()).status == 503

    @pytest.mark.django_db(transaction=True)
    def test_stream_takes_no_turn_and_no_connection(
        self, handler: Handler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connected: list[bool] = []

        async def parts() -> AsyncIterator[bytes]:
            await asyncio.sleep(3600)
            yield b""

        def stream(request: HttpRequest) -> StreamingHttpResponse:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            response = StreamingHttpResponse(parts())
            close = response.close

            def note_and_close() -> None:
                connected.append(connection.connection is not None)
                close()

            monkeypatch.setattr(response, "close", note_and_close)
            return response

        monkeypatch.setattr(handler, "get_response", stream)

        async def test() -> None:
            many = [Exchange() for _ in range(5)]
            asked = [asyncio.create_task(one.ask(handler)) for one in many]
            while not all(one._sent for one in many):
                await asyncio.sleep(0.01)
            assert [one.status for one in many] == [200] * 5
            for one in many:
                one.gone.set()
            await asyncio.wait(asked)

        asyncio.run(test())
        assert connected == [False] * 5


def test_query_that_is_no_text_is_a_problem() -> None:
    answer = asyncio.run(Exchange("/", query=b"q=\xff").ask(Handler(Turns(2))))
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "malformed_request")
