"""Local S3 servers, a server that never answers, and one that breaks off."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from botocore.config import Config
from moto.server import ThreadedMotoServer

from processing.storages.s3 import S3Storage
from tests.system import wait_until

ACCESS_KEY, SECRET_KEY = "access", "a secret of the tests"
QUICK = Config(
    signature_version="s3v4",
    connect_timeout=0.5,
    read_timeout=0.5,
    retries={"mode": "standard", "total_max_attempts": 1},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
PATIENT = QUICK.merge(Config(connect_timeout=5, read_timeout=30))


def storage_options(endpoint: str, *, bucket: str = "media", config: Config = PATIENT) -> dict[str, Any]:
    """Return the options of a storage at this endpoint, as in the settings."""
    return {
        "bucket_name": bucket,
        "endpoint_url": endpoint,
        "region_name": "us-east-1",
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "client_config": config,
    }


@contextmanager
def s3_storage(
    endpoint: str, *, bucket: str = "media", prefix: str = "", config: Config = PATIENT
) -> Iterator[S3Storage]:
    """Return a storage at this endpoint, and close its connections at the end."""
    storage = S3Storage(**storage_options(endpoint, bucket=bucket, config=config), location=prefix)
    try:
        yield storage
    finally:
        close(storage)


def close(storage: S3Storage) -> None:
    """Close the connections that this thread has to a storage."""
    storage.connection.meta.client.close()


@contextmanager
def moto_server() -> Iterator[str]:
    """Run moto, and return its URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def rclone_server(folder: Path) -> Iterator[str]:
    """Run rclone's S3 server, and return its URL. Each folder in `folder` is a bucket."""
    port = free_port()
    program = Path(sys.executable).parent / "rclone"
    options = ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"]
    options += ["--config", str(folder.parent / "rclone.conf"), "--log-level", "ERROR"]
    # It reports each folder that is not empty when a file is deleted.
    options += ["--log-file", str(folder.parent / "rclone.log")]
    process = subprocess.Popen(
        [program, "serve", "s3", folder, *options],
    )
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a free port."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    def answers() -> bool:
        assert process.poll() is None, "the server has ended"
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=1)):
            return True
        return False

    wait_until(answers, seconds=30)


@contextmanager
def silent_server() -> Iterator[str]:
    """Accept connections and never answer. Return the URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


class _Breaking(BaseHTTPRequestHandler):
    """Promise a thousand bytes, send half of them, and close the connection."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.send_header("ETag", '"0"')
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"x" * 500)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@contextmanager
def breaking_server() -> Iterator[str]:
    """Run a server that closes the connection in the middle of every file. Return its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Breaking) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
