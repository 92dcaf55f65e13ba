"""Floods of requests: a process does a limited amount at once, and stays ready for others."""

import contextlib
import http.client
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event

import pytest

from deploy.ports import HOST
from tests.faults.person import Person, multipart
from tests.faults.site import Site
from tests.system import wait_until

pytestmark = pytest.mark.fault

POOL = 5
LOOPS = 32
STREAMS = 4
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
# The processes of the site other than web, and the test itself: more than there are.
OTHERS = 25


@pytest.fixture
def small_site(site: Site) -> Iterator[Site]:
    """Return a site whose web process shares few connections, and keeps few streams of a person."""
    small = {
        "DATABASE_POOL_SIZE": str(POOL),
        "REQUESTS_AT_ONCE": "16",
        "STREAMS_PER_PERSON": str(STREAMS),
    }
    site.environment |= small
    site.kill("web")
    site.start("web")
    yield site
    for name in small:
        del site.environment[name]
    site.kill("web")
    site.start("web")


def status_of(person: Person, path: str) -> int:
    return person.request("GET", path).status


def ask_until(stopped: Event, person: Person, path: str) -> set[int]:
    found = set()
    while not stopped.is_set():
        found.add(status_of(person, path))
    return found


def test_site_stays_ready_while_many_ask(small_site: Site) -> None:
    person, stopped = small_site.person(), Event()
    with ThreadPoolExecutor(2 * LOOPS) as pool:
        paths = ["/readyz"] * LOOPS + ["/api/uploads/"] * LOOPS
        asked = [pool.submit(ask_until, stopped, person, path) for path in paths]
        answers = [small_site.person().send(small_site.pictures.next()) for _ in range(10)]
        ready = [status_of(person, "/readyz") for _ in range(20)]
        stopped.set()
        assert set().union(*(one.result() for one in asked)) == {200}
    assert {answer.status for answer in answers} == {201}
    assert set(ready) == {200}
    small_site.wait_until_at_rest()
    small_site.assert_promise()


@pytest.mark.postgresql  # SQLite has no connections to count.
def test_web_process_opens_no_more_connections_than_its_pool(small_site: Site) -> None:
    person, stopped = small_site.person(), Event()
    with ThreadPoolExecutor(LOOPS) as pool:
        asked = [pool.submit(ask_until, stopped, person, "/api/uploads/") for _ in range(LOOPS)]
        most = max(small_site.rows(CONNECTIONS)[0][0] for _ in range(50))
        stopped.set()
        assert set().union(*(one.result() for one in asked)) == {200}
    small_site.kill("web")
    wait_until(lambda: small_site.rows(CONNECTIONS)[0][0] < most)
    assert most - small_site.rows(CONNECTIONS)[0][0] <= POOL + OTHERS


def test_clients_that_go_away_keep_no_connection(small_site: Site) -> None:
    """More requests than the pool has connections are cut at different moments."""
    person = small_site.person()
    body, headers = multipart(small_site.pictures.next(), name="photo.jpg")
    lines = [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Authorization: Token {person.token}", f"Host: {HOST}"]
    requests = [
        "\r\n".join(["POST /api/uploads/ HTTP/1.1", *lines, f"Content-Length: {len(body)}", "", ""]).encode()
        + body[: len(body) // 2],
        "\r\n".join(["GET /api/uploads/ HTTP/1.1", *lines, "", ""]).encode(),
        "\r\n".join(["GET /api/events/ HTTP/1.1", *lines, "", ""]).encode(),
    ]
    for request in requests * (4 * POOL):
        with contextlib.closing(socket.create_connection((HOST, person.port), timeout=60)) as connection:
            connection.sendall(request)
    with ThreadPoolExecutor(POOL) as pool:
        found = set(pool.map(lambda _: status_of(person, "/api/uploads/"), range(4 * POOL)))
    assert found == {200}
    # The places of the streams are free again, as soon as the process has noticed.
    wait_until(lambda: len(opened(person, STREAMS)) == STREAMS)


def test_slow_readers_keep_no_connection(small_site: Site) -> None:
    """Originals are sent to more clients than the pool has connections, and none of them reads."""
    person = small_site.person()
    upload = person.send(small_site.pictures.next()).json()
    lines = [f"Authorization: Token {person.token}", f"Host: {HOST}", "", ""]
    request = "\r\n".join([f"GET /uploads/{upload['id']}/original HTTP/1.1", *lines]).encode()
    with contextlib.ExitStack() as stack:
        for _ in range(4 * POOL):
            connection = stack.enter_context(socket.create_connection((HOST, person.port), timeout=60))
            connection.sendall(request)
        assert {status_of(person, "/api/uploads/") for _ in range(10)} == {200}


def opened(person: Person, count: int) -> list[int]:
    """Open event streams, close them again, and return the statuses of those that were accepted."""
    with contextlib.ExitStack() as stack:
        return [status for _ in range(count) if (status := open_stream(stack, person)[0]) == 200]


def open_stream(stack: contextlib.ExitStack, person: Person) -> tuple[int, str | None]:
    """Open an event stream until the stack closes it; return the status and `Retry-After`."""
    connection = http.client.HTTPConnection(HOST, person.port, timeout=60)
    stack.callback(connection.close)
    connection.request("GET", "/api/events/", headers={"Authorization": f"Token {person.token}"})
    response = connection.getresponse()
    stack.callback(response.close)
    return response.status, response.headers["Retry-After"]


def test_person_has_a_limited_number_of_streams(small_site: Site) -> None:
    person, other = small_site.person(), small_site.person()
    with contextlib.ExitStack() as stack:
        found = [open_stream(stack, person) for _ in range(STREAMS + 3)]
        assert found == [(200, None)] * STREAMS + [(429, "60")] * 3
        assert open_stream(stack, other) == (200, None)
        assert person.send(small_site.pictures.next()).status == 201
    wait_until(lambda: len(opened(person, STREAMS)) == STREAMS)


def test_large_head_delays_no_request(small_site: Site) -> None:
    person, stopped = small_site.person(), Event()
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(ask_until, stopped, person, "/healthz")
        with contextlib.closing(socket.create_connection((HOST, person.port), timeout=60)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nX-Large: ")
            with contextlib.suppress(OSError):
                for _ in range(120):
                    connection.sendall(b"x" * (1 << 20))
        stopped.set()
        wait([asked], timeout=60)
        assert asked.result() == {200}
