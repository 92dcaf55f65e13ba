"""The health check of a container."""

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from deploy.healthcheck import first_host, responds
from deploy.ports import any_free_port


class ChoosyHandler(BaseHTTPRequestHandler):
    """Answers `/healthz` for one host only, as Django does."""

    def do_GET(self) -> None:
        known = (self.path, self.headers["Host"]) == ("/healthz", "photos.example")
        self.send_response(HTTPStatus.OK if known else HTTPStatus.BAD_REQUEST)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Print nothing."""


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("photos.example,other.example", "photos.example"),
        (".photos.example", "photos.example"),
        ("*", "localhost"),
    ],
)
def test_it_asks_for_a_host_that_is_allowed(allowed: str, host: str) -> None:
    assert first_host(allowed) == host


@pytest.mark.parametrize(("host", "answer"), [("photos.example", True), ("other.example", False)])
def test_only_200_counts(host: str, answer: bool) -> None:
    with HTTPServer(("127.0.0.1", 0), ChoosyHandler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            assert responds(port=server.server_port, host=host) is answer
        finally:
            server.shutdown()
            thread.join()


def test_nobody_responds_on_a_free_port() -> None:
    assert not responds(port=any_free_port(), host="localhost")
