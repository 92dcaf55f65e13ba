"""The body guard refuses a request body that is too large, too slow or not allowed.

Django's ASGI handler writes the whole body to disk before any middleware or view runs. The guard runs before
it and checks the size, the speed and the headers. For requests that send images, it first calls the
admission function (sign-in, quota, rate limits).

A refused request goes to Django without its body. `RefusalMiddleware` answers with the `refusal` in the
request's scope.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any
from weakref import WeakValueDictionary

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings

from processing.conf import darkroom
from processing.errors import Refusal
from processing.storages import disk_space
from uploads.place import below
from uploads.problems import Busy
from uploads.receiving.form import TooLarge
from uploads.receiving.turns import Turns

# The ASGI types, as Django's own handler declares them.
Message = Mapping[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
# Takes the request's scope and size; returns the reason for a refusal, or None.
Admission = Callable[[Scope, int], Refusal | None]

# The paths that receive images, below that of `uploads.urls`: from programs and JavaScript, from the form
# without JavaScript, and from the widget of other forms.
API, FORM, WIDGET = "/api/uploads/", "/", "/pictures/"
# The paths that receive the file that replaces an image's: by PUT from programs, and from the page's form.
API_FILE = re.compile(r"/api/uploads/[0-9a-f-]{36}/file/", re.ASCII)
FORM_FILE = re.compile(r"/uploads/(?P<id>[0-9a-f-]{36})/replace", re.ASCII)
# Bytes that multipart adds around a file: boundaries, headers and short fields.
_ENVELOPE = 64 * 1024
# A form may send this many files of the largest size.
_FILES_OF_A_FORM = 10
# Bodies of unknown length that are accepted at the same time from one address.
_UNKNOWN_AT_ONCE = 4
# Seconds for which the rest of a refused body is discarded, in total and since the last data: nginx's
# defaults. A client whose connection is cut while it sends would not see the response.
_LINGER, _LINGER_IDLE = 30.0, 5.0
_OF_THE_BODY = (b"content-length", b"content-type", b"transfer-encoding", b"expect")
_GONE: Message = {"type": "http.disconnect"}


class TooSlow(Refusal):
    """The body arrived too slowly."""

    code = "too_slow"
    title = "The request took too long"
    status = HTTPStatus.REQUEST_TIMEOUT


class BodyGuard:
    """An ASGI application that wraps Django's."""

    def __init__(self, application: Application, *, admission: Admission, turns: Turns) -> None:
        self._application = application
        self._admission = admission
        self._requests = turns
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the request. If it is refused, even midway, pass on only its head and the refusal."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        body = Body(receive, limit=_limit(scope), length=_length(scope))
        if body.refusal is None:
            with disk_space.expected(_expected_bytes(scope, body)):
                await self._admit(scope, body, send)
        if body.refusal is not None:
            headers = [header for header in scope["headers"] if header[0] not in _OF_THE_BODY]
            refused = {**scope, "headers": headers, "refusal": body.refusal}
            await self._application(refused, _Nothing().receive, _Closing(body, send).send)

    async def _admit(self, scope: Scope, body: "Body", send: Send) -> None:
        """Pass on the request, unless the admission function refuses it."""
        if _brings_images(scope):
            body.refusal = await self._asked(scope, body)
        if body.refusal is None:
            async with self._turn(scope, body):
                await self._application({**scope, "admitted": True}, body.receive, send)

    async def _asked(self, scope: Scope, body: "Body") -> Refusal | None:
        """Call the admission function in a separate thread, as Django does for each request."""
        byte_size = max(0, (body.length or 0) - _ENVELOPE)
        try:
            async with self._requests.taken(), ThreadSensitiveContext():
                return await sync_to_async(self._admission)(scope, byte_size)
        except Busy as busy:
            return busy

    def _turn(self, scope: Scope, body: "Body") -> contextlib.AbstractAsyncContextManager[None]:
        """Limit the concurrent bodies of unknown length, so that oversized ones do not fill the disk."""
        if body.length is not None or not _brings_images(scope):
            return contextlib.nullcontext()
        host = scope["client"][0] if scope.get("client") else ""
        return self._turns.setdefault(host, asyncio.Semaphore(_UNKNOWN_AT_ONCE))


class Body:
    """A request's body while it is received, with the reason if it is refused."""

    def __init__(self, receive: Receive, *, limit: int, length: int | None) -> None:
        self._receive = receive
        self._limit = limit
        self._came = 0
        self._ended = False
        self._began_at: float | None = None
        self.length = length
        self.refusal: Refusal | None = None
        self._measure(length or 0)

    async def receive(self) -> Message:
        """Return the next part; a refused body looks like a disconnected client."""
        if self._ended:
            return await self._receive()
        if self.refusal:
            return _GONE
        try:
            async with asyncio.timeout(self._patience()):
                event = await self._receive()
        except TimeoutError:
            self.refusal = TooSlow("The request arrived too slowly. Send it again over a faster connection.")
            return _GONE
        self._note(event)
        return _GONE if self.refusal else event

    async def drain(self) -> None:
        """Read and discard the rest of the body for a limited time; skip this if the client was too slow."""
        if isinstance(self.refusal, TooSlow):
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while not self._ended:
                    async with asyncio.timeout(_LINGER_IDLE):
                        self._note(await self._receive())

    def _note(self, event: Message) -> None:
        self._came += len(event.get("body", b""))
        self._ended = not event.get("more_body", False)
        self._measure(self._came)

    def _measure(self, size: int) -> None:
        if size > self._limit + _ENVELOPE and self.refusal is None:
            self.refusal = TooLarge(
                "The request is larger than {limit} MB. Upload a smaller file.",
                limit=f"{self._limit / 1024**2:.3g}",
            )

    def _patience(self) -> float:
        """Return how many seconds to wait for the next part."""
        idle, rate = darkroom().body_timeout, darkroom().body_rate
        self._began_at = self._began_at or time.monotonic()
        due_at = self._began_at + idle + self._came / rate
        return max(0.0, min(idle, due_at - time.monotonic()))


class _Nothing:
    """A receive channel for an empty body; afterwards it waits for ever."""

    def __init__(self) -> None:
        self._given = False

    async def receive(self) -> Message:
        if self._given:
            await asyncio.Event().wait()
        self._given = True
        return {"type": "http.request", "body": b"", "more_body": False}


class _Closing:
    """Send a response to a client that may still be sending, then close the connection."""

    def __init__(self, body: Body, send: Send) -> None:
        self._body = body
        self._send = send

    async def send(self, event: Message) -> None:
        if event["type"] == "http.response.start":
            await self._send({**event, "headers": [*event["headers"], (b"connection", b"close")]})
            return
        await self._send({**event, "more_body": True})
        if not event.get("more_body", False):
            await self._body.drain()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def replaces_file(scope: Scope) -> bool:
    """Return whether a request replaces the file of an image."""
    pattern = {"PUT": API_FILE, "POST": FORM_FILE}.get(scope["method"])
    return pattern is not None and pattern.fullmatch(_path(scope)) is not None


def _brings_images(scope: Scope) -> bool:
    return (scope["method"] == "POST" and _path(scope) in {API, FORM, WIDGET}) or replaces_file(scope)


def _path(scope: Scope) -> str:
    """Return the path of a request below the site's sub-path (`root_path`) and the project's include."""
    path: str = scope["path"]
    return below(path.removeprefix(scope.get("root_path", "")))


def _expected_bytes(scope: Scope, body: Body) -> int:
    """Return the bytes that a body with images may bring."""
    if not _brings_images(scope):
        return 0
    return _limit(scope) if body.length is None else body.length


def _limit(scope: Scope) -> int:
    """Return the maximum number of bytes in a request's body."""
    largest = darkroom().max_upload_bytes
    if not _brings_images(scope):
        return settings.DATA_UPLOAD_MAX_MEMORY_SIZE or largest
    return _FILES_OF_A_FORM * largest if _path(scope) == FORM else largest


def _length(scope: Scope) -> int | None:
    """Return the Content-Length, or None for a chunked body."""
    text = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(text) if text.isdigit() else None
