"""Rejected request bodies: many at once take neither memory nor disk space, and slow ones time out."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.ports import HOST
from tests.faults.person import Person, multipart
from tests.faults.site import Site

pytestmark = pytest.mark.fault

MEGABYTE = 1 << 20
LIMIT = 8 * MEGABYTE
AT_ONCE = 50


@pytest.fixture
def strict_site(site: Site) -> Iterator[Site]:
    """Return a site whose web process has a small size limit and a body time-out of a second."""
    strict = {"MAX_UPLOAD_BYTES": str(LIMIT), "BODY_TIMEOUT": "1"}
    former = {name: site.environment.get(name) for name in strict}
    restart_web(site, **strict)
    yield site
    restart_web(site, **former)


def restart_web(site: Site, **settings: str | None) -> None:
    for name, value in settings.items():
        site.environment.pop(name, None)
        if value is not None:
            site.environment[name] = value
    site.kill("web")
    site.start("web")


class Watch:
    """Measures a process all the time: its memory, and the size of its open files."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        self._ends = threading.Event()
        self.memory_before = self._memory()
        self.memory = self.disk = 0

    def __enter__(self) -> "Watch":
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ends.wait(0.01):
            self.memory = max(self.memory, self._memory())
            self.disk = max(self.disk, self._disk())

    def _memory(self) -> int:
        pages = int((self._folder / "statm").read_text().split()[1])
        return pages * 4096

    def _disk(self) -> int:
        total = 0
        for descriptor in (self._folder / "fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile, or not a file
                if descriptor.is_file() or "(deleted)" in str(descriptor.readlink()):
                    total += descriptor.stat().st_size
        return total


def head(person: Person, *lines: str) -> bytes:
    authorization = f"Authorization: Token {person.token}"
    start = ["POST /api/uploads/ HTTP/1.1", f"Host: {HOST}", authorization, *lines]
    return "\r\n".join(start).encode() + b"\r\n\r\n"


def declared(person: Person, body: bytes, content_type: str) -> Iterator[bytes]:
    yield head(person, content_type, f"Content-Length: {len(body)}")
    yield from parts(body)


def in_chunks(person: Person, body: bytes, content_type: str) -> Iterator[bytes]:
    yield head(person, content_type, "Transfer-Encoding: chunked")
    for part in parts(body):
        yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


def parts(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 1 << 16):
        yield body[start : start + (1 << 16)]


def status_of(person: Person, pieces: Iterator[bytes]) -> int:
    """Send all pieces, and return the status of the response."""
    with contextlib.closing(socket.create_connection((HOST, person.port), timeout=120)) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return int(connection.recv(1 << 16).split()[1])


@pytest.mark.parametrize(("send", "disk"), [(declared, 0), (in_chunks, 4 * (LIMIT + MEGABYTE))])
def test_fifty_concurrent_oversized_bodies_use_no_disk_or_memory(
    send: Callable[[Person, bytes, str], Iterator[bytes]], disk: int, strict_site: Site
) -> None:
    person = strict_site.person()
    body, headers = multipart(bytes(LIMIT + 4 * MEGABYTE), name="large.jpg")
    content_type = f"Content-Type: {headers['Content-Type']}"
    with Watch(strict_site.pid("web")) as watch:
        before = watch._disk()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = [
                pool.submit(status_of, person, send(person, body, content_type)) for _ in range(AT_ONCE)
            ]
        statuses = {answer.result() for answer in answers}
    assert statuses == {413}
    assert watch.disk - before <= disk + MEGABYTE
    assert watch.memory - watch.memory_before < 64 * MEGABYTE
    assert person.send(strict_site.pictures.next()).status == 201


def test_oversized_body_is_refused_before_it_is_sent(strict_site: Site) -> None:
    person = strict_site.person()
    with contextlib.closing(socket.create_connection((HOST, person.port), timeout=120)) as connection:
        connection.sendall(head(person, "Expect: 100-continue", f"Content-Length: {10**12}"))
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 413 ")


def test_stalled_body_is_refused(strict_site: Site) -> None:
    person = strict_site.person()
    with contextlib.closing(socket.create_connection((HOST, person.port), timeout=120)) as connection:
        connection.sendall(head(person, f"Content-Length: {MEGABYTE}") + b"some of it")
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
