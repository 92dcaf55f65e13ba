"""A head that is too large or too slow is refused, and delays no other request."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.ports import HOST
from myproject.head_guard import MAX_HEAD_BYTES, MAX_URL_BYTES
from tests.web_server import Answer, WebServer, get, read

pytestmark = pytest.mark.slow

MEGABYTE = 1 << 20
FILLING = b"x" * MEGABYTE
CHUNKED = f"POST /api/settings/ HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    running = WebServer(tmp_path_factory.mktemp("web"))
    with running.running():
        yield running


@pytest.fixture(scope="module")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """Return a server that waits for a head, and for a body, only briefly."""
    running = WebServer(tmp_path_factory.mktemp("hasty"), HEAD_TIMEOUT="1", BODY_TIMEOUT="1")
    with running.running():
        yield running


def send_until_refused(connection: socket.socket, piece: bytes, most: int) -> None:
    """Send a piece again and again, until the server closes the connection or has received the most."""
    sent = 0
    with contextlib.suppress(OSError):
        while sent < most:
            connection.sendall(piece)
            sent += len(piece)


def answer_while_sending(connection: socket.socket, piece: bytes) -> Answer:
    """Return the answer to a sender that goes on for as long as it can."""
    sender = threading.Thread(target=send_until_refused, args=(connection, piece, 120 * MEGABYTE))
    sender.start()
    try:
        return read(connection)
    finally:
        connection.shutdown(socket.SHUT_RDWR)
        sender.join(timeout=60)


def is_closed(connection: socket.socket) -> bool:
    with contextlib.suppress(ConnectionError):
        return connection.recv(1 << 16) == b""
    return True


class TestSize:
    def test_head_of_120_megabytes_is_refused(self, server: WebServer) -> None:
        with server.connection() as connection:
            connection.sendall(get("/healthz").removesuffix(b"\r\n") + b"X-Large: ")
            answer = answer_while_sending(connection, FILLING)
        assert (answer.status, answer.problem["code"]) == (431, "head_too_large")
        assert answer.headers["Connection"] == "close"
        assert "Content-Security-Policy" in answer.headers

    @pytest.mark.parametrize("line", [b"a:b\r\n", b"Cookie: " + b"c" * 4000 + b"\r\n"])
    def test_many_headers_are_refused(self, server: WebServer, line: bytes) -> None:
        lines = line * (2 * MAX_HEAD_BYTES // len(line))
        answer = server.ask(get("/healthz").removesuffix(b"\r\n") + lines)
        assert answer.problem["code"] == "head_too_large"

    def test_endless_lines_before_a_head_are_refused(self, server: WebServer) -> None:
        assert server.ask(b"\r\n" * MAX_HEAD_BYTES).problem["code"] == "head_too_large"

    def test_refused_connection_is_closed(self, server: WebServer) -> None:
        with server.connection() as connection:
            connection.sendall(get("/healthz").removesuffix(b"\r\n") + b"X: " + b"x" * MAX_HEAD_BYTES)
            assert read(connection).status == 431
            assert is_closed(connection)

    def test_largest_head_is_accepted(self, server: WebServer) -> None:
        start = get("/healthz").removesuffix(b"\r\n") + b"X-Large: "
        head = start + b"x" * (MAX_HEAD_BYTES - len(start) - 4) + b"\r\n\r\n"
        assert len(head) == MAX_HEAD_BYTES
        assert server.ask(head).status == 200
        assert server.ask(*(head[at : at + 5000] for at in range(0, len(head), 5000))).status == 200

    def test_heads_of_one_connection_are_counted_by_themselves(self, server: WebServer) -> None:
        request = get("/healthz", "X-Large: " + "x" * 40_000)
        with server.connection() as connection:
            for _ in range(5):
                connection.sendall(request)
                assert read(connection).status == 200

    def test_body_is_not_counted(self, server: WebServer) -> None:
        """Without a token, the body is read and discarded before the answer ends."""
        body = FILLING * 2
        head = f"POST /api/settings/ HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n\r\n"
        assert server.ask(head.encode() + body).problem["code"] == "not_authenticated"
        chunk = b"%x\r\n%b\r\n" % (MEGABYTE, FILLING)
        assert server.ask(CHUNKED, chunk, chunk, b"0\r\n\r\n").problem["code"] == "not_authenticated"

    @pytest.mark.parametrize(
        ("start", "filling"),
        [(b"0\r\nX-Trailer: ", FILLING), (b"0\r\n", b"a:b\r\n" * 20_000), (b"5;", FILLING)],
        ids=["a trailer", "many trailers", "an extension of a chunk"],
    )
    def test_what_a_chunked_body_has_besides_data_is_limited(
        self, server: WebServer, start: bytes, filling: bytes
    ) -> None:
        with server.connection() as connection:
            connection.sendall(CHUNKED + start)
            assert answer_while_sending(connection, filling).problem["code"] == "head_too_large"

    def test_many_connections_with_large_heads_use_little_memory(self, server: WebServer) -> None:
        with ThreadPoolExecutor(50) as pool:
            large = get("/healthz").removesuffix(b"\r\n") + b"X-Large: " + b"x" * (4 * MAX_HEAD_BYTES)
            answers = list(pool.map(lambda _: server.ask(large), range(50)))
        assert {answer.status for answer in answers} == {431}


class TestURL:
    def test_long_url_is_refused(self, server: WebServer) -> None:
        answer = server.ask(get("/?q=" + "x" * MAX_URL_BYTES))
        assert (answer.status, answer.problem["code"]) == (414, "url_too_long")

    def test_url_of_megabytes_is_refused(self, server: WebServer) -> None:
        with server.connection() as connection:
            connection.sendall(b"GET /")
            assert answer_while_sending(connection, FILLING).problem["code"] == "url_too_long"

    def test_longest_url_is_accepted(self, server: WebServer) -> None:
        url = "/healthz?q="
        assert server.ask(get(url + "x" * (MAX_URL_BYTES - len(url)))).status == 200


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, "malformed_request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "malformed_request"),
        (b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "malformed_request"),
        (b"GET /?q=\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "malformed_request"),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400, "invalid_host"),
        (CHUNKED + b"nonsense\r\n", 400, "malformed_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "malformed_request"),
    ],
)
def test_malformed_request_is_a_problem(server: WebServer, request_: bytes, status: int, code: str) -> None:
    answer = server.ask(request_)
    assert (answer.status, answer.problem["code"]) == (status, code)


class TestTime:
    def test_head_that_stops_is_refused(self, hasty_server: WebServer) -> None:
        with hasty_server.connection() as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHo")
            answer = read(connection)
            assert (answer.status, answer.problem["code"]) == (408, "too_slow")
            assert is_closed(connection)

    def test_head_in_drops_is_refused(self, hasty_server: WebServer) -> None:
        answers: list[int] = []

        def listen() -> None:
            answers.append(read(connection).status)
            over.set()

        with hasty_server.connection() as connection:
            over = threading.Event()
            connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
            listener = threading.Thread(target=listen)
            listener.start()
            with contextlib.suppress(OSError):
                while not over.wait(0.05):
                    connection.sendall(b"x")
            listener.join(timeout=60)
        assert answers == [408]

    @pytest.mark.parametrize("drop", [b"", b"\r\n"])
    def test_connection_without_a_head_is_closed(self, hasty_server: WebServer, drop: bytes) -> None:
        with hasty_server.connection() as connection:
            connection.sendall(drop)
            received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert received.startswith(b"HTTP/1.1 408 ") if drop else received == b""

    def test_second_head_of_a_connection_has_its_own_time(self, hasty_server: WebServer) -> None:
        with hasty_server.connection() as connection:
            connection.sendall(get("/healthz"))
            assert read(connection).status == 200
            connection.sendall(b"GET /healthz HTTP/1.1\r\n")
            assert read(connection).status == 408

    def test_slow_body_is_refused_by_the_body_guard(self, hasty_server: WebServer) -> None:
        head = f"POST /api/settings/ HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 100\r\n\r\nsome"
        assert hasty_server.ask(head.encode()).problem["code"] == "too_slow"


def test_command_of_the_documentation_is_the_one_that_runs() -> None:
    deployment = (Path(__file__).resolve().parents[2] / "docs" / "deployment.md").read_text()
    assert "--http myproject.head_guard:HeadGuard" in deployment


class TestStop:
    @pytest.fixture
    def stopping_server(self, tmp_path: Path) -> Iterator[WebServer]:
        running = WebServer(tmp_path)
        with running.running():
            yield running

    def test_request_on_a_new_connection_is_answered(self, stopping_server: WebServer) -> None:
        """A proxy has connected, and its request is on its way: closing the connection would be a 502."""
        with stopping_server.connection() as connection:
            # The server accepts connections in their order, so it has accepted the one above.
            assert stopping_server.ask(get("/healthz")).status == 200
            stopping_server.stop()
            connection.sendall(get("/healthz"))
            answer = read(connection)
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
            assert is_closed(connection)

    def test_idle_connection_is_closed(self, stopping_server: WebServer) -> None:
        with stopping_server.connection() as connection:
            connection.sendall(get("/healthz"))
            assert read(connection).status == 200
            stopping_server.stop()
            assert is_closed(connection)
