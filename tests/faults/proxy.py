"""A proxy to a local server that can interrupt, break and slow down connections."""

import contextlib
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Literal

from deploy.ports import HOST

# What happens to a PUT: it is forwarded, answered with 500, interrupted halfway, forwarded without returning
# the answer, or forwarded slowly. Other requests are forwarded, except in the modes "error" and "closed".
Mode = Literal["well", "error", "reset", "answer_lost", "slow", "closed"]
ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class Proxy:
    """Forward requests according to the current `mode`. Each connection serves one request."""

    upstream: int
    listener: socket.socket
    mode: Mode = "well"
    # Returns the answer to a request with this head, or b"" to forward it.
    refuse: Callable[[bytes], bytes] = lambda _head: b""
    # The number of requests that each mode has handled.
    served: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = self.listener.accept()
                Thread(target=self._serve_one, args=(client,), daemon=True).start()

    def _serve_one(self, client: socket.socket) -> None:
        with closing(client), contextlib.suppress(OSError):
            client.settimeout(30)
            head, body = _read_head(client)
            if refusal := self.refuse(head):
                self.served["refused"] = self.served.get("refused", 0) + 1
                _drain(client, _content_length(head) - len(body))
                client.sendall(refusal)
                return
            mode: Mode = self.mode if head.startswith(b"PUT") else self._mode_of_others()
            self.served[mode] = self.served.get(mode, 0) + 1
            if mode == "closed":
                _reset(client)
            elif mode == "error":
                client.sendall(ERROR)
            else:
                self._hand_on(client, head, body, mode)

    def _mode_of_others(self) -> Mode:
        return self.mode if self.mode in {"error", "closed"} else "well"

    def _hand_on(self, client: socket.socket, head: bytes, body: bytes, mode: Mode) -> None:
        length = _content_length(head)
        with closing(socket.create_connection((HOST, self.upstream), timeout=30)) as server:
            server.sendall(_closing(head) + body)
            rest = length - len(body)
            if mode == "reset":
                rest = max(0, rest - max(1, length // 2))
            while rest > 0 and (chunk := client.recv(min(rest, 2048 if mode == "slow" else 65536))):
                if mode == "slow":
                    time.sleep(0.05)
                server.sendall(chunk)
                rest -= len(chunk)
            if mode == "reset":
                _reset(server)
                _reset(client)
                return
            while chunk := server.recv(65536):
                if mode != "answer_lost":
                    client.sendall(chunk)
            if mode == "answer_lost":
                _reset(client)


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    """Return a request's head and the received part of its body. Answer `Expect: 100-continue`."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = client.recv(65536)
        if not chunk:
            raise ConnectionError
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    if re.search(rb"(?i)\r\nexpect: 100-continue", head):
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        head = re.sub(rb"(?i)\r\nexpect: 100-continue", b"", head)
    if head[:3] == b"PUT" and not body and _content_length(head):
        body = client.recv(1)
    return head + b"\r\n\r\n", body


def _drain(client: socket.socket, count: int) -> None:
    """Read the rest of a body: a connection that is closed before loses its answer."""
    while count > 0 and (chunk := client.recv(min(count, 65536))):
        count -= len(chunk)


def _content_length(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return int(found[1]) if found else 0


def _closing(head: bytes) -> bytes:
    """Return a request's head with `Connection: close`, so that the server closes the connection."""
    head = re.sub(rb"(?i)\r\nconnection: [^\r]+", b"", head)
    return head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


def _reset(end: socket.socket) -> None:
    """Reset a connection, as a machine that was switched off."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """Run a proxy to a port of this machine."""
    with socket.create_server((HOST, 0), backlog=50) as listener:
        proxy = Proxy(upstream=port, listener=listener)
        thread = Thread(target=proxy.serve, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=10)
