"""A real HTTP server that keeps the requests posted to it and gives the answer that a test sets."""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from threading import Thread

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Received:
    """One request, as received."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> dict[str, object]:
        """Return the body, or raise an error if the signature is wrong."""
        content: dict[str, object] = Webhook(secret).verify(self.body, self.headers)
        return content


@dataclass
class Receiver:
    """The received requests, and the answer: its status, headers and body."""

    requests: list[Received] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    # If set, it gets the socket, and no answer is sent.
    instead: Callable[[socket.socket], None] | None = None
    url: str = ""


def hang_up(connection: socket.socket) -> None:
    """Reset a connection, as a process that dies before it has handled the request."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _handler_of(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.requests.append(Received(self.path, headers, self.rfile.read(length)))
            if receiver.instead is not None:
                receiver.instead(self.connection)
                self.close_connection = True
                return
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(receiver.body)))
            self.end_headers()
            self.wfile.write(receiver.body)

        def log_message(self, *_arguments: object) -> None:
            """Log nothing."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: object) -> None:
        """Ignore clients that disconnect, because some tests do so on purpose."""


@contextmanager
def receiving(*, port: int = 0, tls: SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Receiver]:
    """Serve on a port, by default a free one of the loopback interface. Return the receiver."""
    receiver = Receiver()
    server = _Server((host, port), _handler_of(receiver))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    receiver.url = f"{scheme}://{host}:{server.server_address[1]}/hook"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
