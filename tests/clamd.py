"""A stand-in for clamd: it speaks INSTREAM, and finds the test file of EICAR."""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from deploy.ports import HOST

# Every scanner finds this string (https://www.eicar.org/download-anti-malware-testfile/). It is in two parts,
# so that no scanner finds it in this file.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
FOUND = "stream: Eicar-Test-Signature FOUND"


@dataclass
class Clamd:
    """A running stand-in.

    `answer` replaces its answer, and "" closes the connection without one. `limit` is StreamMaxLength. While
    `frozen` is set, it accepts connections and says nothing. `scanned` has the bytes of each stream.
    """

    address: str
    answer: str | None = None
    limit: int = 25 * 1024**2
    frozen: Event = field(default_factory=Event)
    thawed: Event = field(default_factory=Event)
    scanned: list[bytes] = field(default_factory=list)

    def serve(self, connection: socket.socket) -> None:
        """Answer one connection as clamd does."""
        with connection, suppress(ConnectionError):
            if self.frozen.is_set():
                self.thawed.wait()
                return
            reply = self._reply(connection)
            if reply:
                connection.sendall(f"{reply}\0".encode())

    def _reply(self, connection: socket.socket) -> str:
        if _read(connection, 10) != b"zINSTREAM\0":
            return "UNKNOWN COMMAND"
        data = b""
        while size := struct.unpack("!L", _read(connection, 4))[0]:
            if len(data) + size > self.limit:
                return "INSTREAM size limit exceeded. ERROR"
            data += _read(connection, size)
        self.scanned.append(data)
        if self.answer is not None:
            return self.answer
        return FOUND if EICAR in data else "stream: OK"


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionError("the client has gone")
        data += more
    return data


@contextmanager
def clamd_on_unix(folder: Path) -> Iterator[Clamd]:
    """Run a stand-in on a socket in a folder."""
    path = folder / "clamd.ctl"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    with _running(listener, f"unix://{path}") as clamd:
        yield clamd


@contextmanager
def clamd_on_tcp() -> Iterator[Clamd]:
    """Run a stand-in on a free port."""
    listener = socket.create_server((HOST, 0))
    with _running(listener, f"tcp://{HOST}:{listener.getsockname()[1]}") as clamd:
        yield clamd


@contextmanager
def _running(listener: socket.socket, address: str) -> Iterator[Clamd]:
    clamd = Clamd(address)
    with listener:
        listener.listen()
        thread = Thread(target=_accept, args=(listener, clamd.serve))
        thread.start()
        try:
            yield clamd
        finally:
            clamd.thawed.set()
            # It wakes `accept`, which closing would not.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    with suppress(OSError):
        while True:
            serve(listener.accept()[0])
