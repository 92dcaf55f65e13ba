"""A web server as `make run` starts it, alone, and connections to it that send raw bytes."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from deploy import programs
from deploy.ports import HOST, any_free_port
from tests.system import wait_until


class WebServer:
    """One web process with all its files in one folder. Its database has no tables."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.port = any_free_port()
        self._log = folder / "web.log"
        self._environment = {**os.environ, "VAR_DIR": str(folder / "var"), **environment}
        self._environment.pop("DATABASE_URL", None)
        self._process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        command = programs.web(port=self.port, log_level="INFO").command
        with (
            self._log.open("wb") as output,
            subprocess.Popen(
                command, cwd=settings.BASE_DIR, env=self._environment, stdout=output, stderr=subprocess.STDOUT
            ) as process,
        ):
            self._process = process
            try:
                wait_until(lambda: self._answers() or process.poll() is not None)
                yield
            finally:
                sys.stdout.write(self._log.read_text())  # pytest shows this if the test fails
                process.kill()

    def stop(self) -> None:
        """Ask the process to stop, and wait until it has ended or waits for its connections."""
        process = self._process
        assert process is not None
        process.terminate()
        wait_until(lambda: process.poll() is not None or "Waiting for connections" in self._log.read_text())

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.ask(get("/healthz")).status == 200
        return False

    @contextlib.contextmanager
    def connection(self) -> Iterator[socket.socket]:
        with contextlib.closing(socket.create_connection((HOST, self.port), timeout=60)) as connection:
            yield connection

    def ask(self, *pieces: bytes) -> "Answer":
        """Send the pieces on a connection of their own, and return the first answer."""
        with self.connection() as connection:
            for piece in pieces:
                connection.sendall(piece)
            return read(connection)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        problem: dict[str, Any] = json.loads(self.body)
        assert problem["status"] == self.status
        return problem


def get(path: str, *lines: str) -> bytes:
    """Return the bytes of a GET request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {HOST}", *lines, "", ""]).encode()


def read(connection: socket.socket) -> Answer:
    """Read one response."""
    with contextlib.closing(http.client.HTTPResponse(connection)) as response:
        response.begin()
        return Answer(
            response.status,
            {name.title(): value for name, value in response.headers.items()},
            response.read(),
        )
