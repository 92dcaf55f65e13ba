"""The web process accepts chunked bodies."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from myproject.asgi import application
from tests.conftest import MakeImage, key_of

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
