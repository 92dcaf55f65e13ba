"""Requests to URLs that people supply: limited in time and size, and never into the private network.

The host name is resolved once. The connection goes to a checked address, so that a later DNS change has no
effect.
"""

import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from threading import Thread, Timer
from time import monotonic
from urllib.parse import SplitResult

from django.utils.translation import gettext as _
from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from processing.errors import TransientError
from uploads.notices.url_safety import InvalidURL, is_public, port_of, split_url

# Seconds that a request may take, including the DNS look-up.
TIME_LIMIT = 10.0
# Seconds until the host's next address is tried.
_CONNECT_LIMIT = 3.0
# Bytes of a response that are read, and characters of it that are kept.
_READ, _KEPT = 4096, 300


class NoAnswer(TransientError):
    """The host is unreachable, not allowed, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status, the beginning of its body, and the seconds of `Retry-After`."""

    status: int
    excerpt: str
    retry_after: float


def post(*, url: str, headers: Mapping[str, str], body: bytes, private_allowed: bool) -> Answer:
    """Send a POST request within `TIME_LIMIT`, without following redirects.

    Raises `NoAnswer`.
    """
    ends_at = monotonic() + TIME_LIMIT
    try:
        return _post(url, headers, body, ends_at, private_allowed=private_allowed)
    except (InvalidURL, HTTPError, HTTPException, OSError, ValueError) as error:
        if isinstance(error, TimeoutError) or monotonic() >= ends_at:
            words = _("The endpoint did not answer within %(seconds)s seconds.")
            raise NoAnswer(words % {"seconds": f"{TIME_LIMIT:g}"}) from error
        raise NoAnswer(_reason(error)) from error


def look_up(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host; the system resolver has its own time-out."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _post(
    url: str, headers: Mapping[str, str], body: bytes, ends_at: float, *, private_allowed: bool
) -> Answer:
    parts = split_url(url)
    addresses = _resolve(parts, ends_at)
    if not private_allowed:
        addresses = _public(addresses, parts)
    connection = _connect(parts, addresses, ends_at)
    with _hung_up_at(ends_at, connection):
        connection.request(
            "POST",
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            body=body,
            headers={"Host": parts.netloc, "User-Agent": "Darkroom", **headers},
            preload_content=False,
            decode_content=False,
        )
        response = connection.getresponse()
        # http.client treats truncated headers as complete, so check the time.
        _left(ends_at)
        return _read(response)


def _resolve(parts: SplitResult, ends_at: float) -> list[str]:
    """Resolve the host in a thread, which is abandoned if it takes too long."""
    future: Future[list[str]] = Future()

    def answer() -> None:
        try:
            future.set_result(look_up(parts.hostname or "", port_of(parts)))
        except (OSError, ValueError) as error:
            future.set_exception(error)

    Thread(target=answer, daemon=True).start()
    return future.result(timeout=ends_at - monotonic())


def _public(addresses: Sequence[str], parts: SplitResult) -> list[str]:
    public = [address for address in addresses if is_public(address)]
    if not public:
        words = _("%(host)s is not on the public internet, so nothing is sent there.")
        raise InvalidURL(words % {"host": parts.hostname})
    return public


def _connect(parts: SplitResult, addresses: Sequence[str], ends_at: float) -> HTTPConnection:
    """Return a connection to the first address that accepts one; raise the error of the last address."""
    for number, address in enumerate(addresses, start=1):
        connection = _connection(parts, address, seconds=_left(ends_at, at_most=_CONNECT_LIMIT))
        try:
            connection.connect()
        except (HTTPError, OSError):
            connection.close()
            if number == len(addresses):
                raise
        else:
            return connection
    raise InvalidURL(_("%(host)s has no IP address.") % {"host": parts.hostname})


def _connection(parts: SplitResult, address: str, *, seconds: float) -> HTTPConnection:
    if parts.scheme == "http":
        return HTTPConnection(address, port_of(parts), timeout=seconds)
    # The certificate must match the host name, although the connection goes to an address.
    return HTTPSConnection(address, port_of(parts), timeout=seconds, server_hostname=parts.hostname)


def _left(ends_at: float, *, at_most: float = TIME_LIMIT) -> float:
    left = ends_at - monotonic()
    if left <= 0:
        raise TimeoutError
    return min(left, at_most)


@contextmanager
def _hung_up_at(ends_at: float, connection: HTTPConnection) -> Iterator[None]:
    """Cut the connection at the deadline, because a server that sends single bytes never times out."""
    sock = connection.sock
    connection.timeout = _left(ends_at)
    sock.settimeout(connection.timeout)
    timer = Timer(connection.timeout, _hang_up, [sock])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        connection.close()


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):
        # Use the plain socket's method: the TLS one would drop the TLS state under the reading thread.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _read(response: BaseHTTPResponse) -> Answer:
    """Return the answer; unless it is a success, include the beginning of the body."""
    excerpt = ""
    if not 200 <= response.status < 300:
        with suppress(HTTPError, HTTPException, OSError, ValueError):
            body = response.read(_READ, decode_content=False)
            excerpt = _readable(body.decode("utf-8", "ignore"))
    return Answer(response.status, excerpt, _retry_after(response.headers.get("Retry-After", "")))


def _readable(text: str) -> str:
    """Return the beginning of a text on one line, without unprintable characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:_KEPT]


def _retry_after(header: str) -> float:
    with suppress(HTTPError, ValueError, OverflowError):
        return Retry().parse_retry_after(header)
    return 0.0


def _reason(error: Exception) -> str:
    # urllib3 names the object that failed; the system's error is its cause.
    cause = error.__cause__ if isinstance(error, HTTPError) else None
    # The error for an invalid HTTP line contains the line as it was received.
    return _readable(str(cause or error)) or type(error).__name__
