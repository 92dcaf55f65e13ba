"""The head guard refuses a request's head that is too large or too slow: `uvicorn --http …:HeadGuard`.

uvicorn's protocol collects a head for as long as the client sends it, and copies a long header anew for each
piece that arrives. The guard runs before the parser, because Django sees a request only after its head.
"""

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar

from django.http import HttpResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from myproject.csp import add_policy
from processing.conf import darkroom
from processing.errors import Refusal
from uploads.problems import malformed_request, refused
from uploads.receiving.body_guard import TooSlow

# Bytes that may arrive before a head is complete. The same applies to what a chunked body has besides its
# data: extensions of its chunks, and the headers after it (RFC 9112, section 7.1).
MAX_HEAD_BYTES = 64 * 1024
# Bytes of a URL. RFC 9110, section 4.1, asks for at least 8000.
MAX_URL_BYTES = 16 * 1024
# Seconds for which the rest of a refused request is discarded. A client whose connection is cut while it
# sends would not see the response.
_LINGER = 5.0


class HeadTooLarge(Refusal):
    """The head of the request is too large."""

    code = "head_too_large"
    title = "The request headers are too large"
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


class UrlTooLong(Refusal):
    """The URL is too long."""

    code = "url_too_long"
    title = "The URL is too long"
    status = HTTPStatus.REQUEST_URI_TOO_LONG


class HeadGuard(HttpToolsProtocol):
    """uvicorn's protocol on httptools, with limits on the size and the time of a head."""

    # `myproject.asgi` sets it. uvicorn imports this module first, before there are models.
    end_streams: ClassVar["staticmethod[[], None]"] = staticmethod(lambda: None)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._besides_bodies = 0  # bytes since the last data of a body
        self._awaits_head = True
        self._timer: asyncio.TimerHandle | None = None
        self._refusal: Refusal | None = None
        self._is_refused = False
        self._is_stopping = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._set_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """End all waiting."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass data to the parser in parts, each within what is left of `MAX_HEAD_BYTES`."""
        while data and not self._is_refused and not self.transport.is_closing():
            allowed = MAX_HEAD_BYTES - self._besides_bodies
            if not allowed:
                self._refuse(HeadTooLarge("The headers of the request are too large. Send fewer cookies."))
                return
            part, data = data[:allowed], data[allowed:]
            self._besides_bodies += len(part)
            super().data_received(part)
            if self._awaits_head and self._timer is None and not self._is_refused:
                self._set_timer()

    def on_url(self, url: bytes) -> None:
        """Refuse a long URL."""
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            self._refusal = UrlTooLong("The URL is too long. Send a shorter one.")
            raise ValueError(self._refusal.code)  # the parser stops, and `send_400_response` is called

    def on_headers_complete(self) -> None:
        """Begin a request, whose body may follow."""
        self._besides_bodies = 0
        self._awaits_head = False
        self._stop_timer()
        super().on_headers_complete()
        if self._is_stopping:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Receive data of a body. The body guard limits it."""
        self._besides_bodies = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin to wait for the next head."""
        self._besides_bodies = 0
        self._awaits_head = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Leave an idle connection to uvicorn's own time-out."""
        self._stop_timer()
        super().on_response_complete()

    def shutdown(self) -> None:
        """End the connection after its last response, and an event stream at once.

        uvicorn would also close a new connection, whose first request is on its way: a proxy's 502.
        """
        self.end_streams()
        self._is_stopping = True
        if self.cycle is not None:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that the parser does not accept."""
        self._refuse(self._refusal or malformed_request())

    def _set_timer(self) -> None:
        self._timer = self.loop.call_later(darkroom().head_timeout, self._end_waiting)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_waiting(self) -> None:
        """Refuse a head that has not arrived. Behind an unfinished response, leave it to uvicorn."""
        self._timer = None
        if self._is_answering():
            return
        if self._besides_bodies:
            self._refuse(TooSlow("The request arrived too slowly. Send it again over a faster connection."))
        else:
            self.transport.close()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn's annotation omits None
        return cycle is not None and not cycle.response_complete

    def _refuse(self, refusal: Refusal) -> None:
        """Send a refusal and close the connection, or only close it in the middle of another response."""
        self._is_refused = True
        self._stop_timer()
        self._unset_keepalive_if_required()
        if self._is_answering():
            if self.pipeline or self.cycle.response_started:
                self.transport.close()
                return
            # The request has not been answered yet: end it as if its client had gone.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(_as_bytes(refused(refusal)))
        self.loop.call_later(_LINGER, self.transport.close)


def _as_bytes(response: HttpResponse) -> bytes:
    """Return a response as it is sent."""
    add_policy(response)
    response.headers["Connection"] = "close"
    response.headers["Content-Length"] = str(len(response.content))
    line = f"HTTP/1.1 {response.status_code} {response.reason_phrase}\r\n"
    lines = [f"{name}: {value}\r\n" for name, value in response.items()]
    return "".join([line, *lines, "\r\n"]).encode("latin-1") + response.content
