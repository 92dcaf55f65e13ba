"""The environment of a test run: a temporary folder, a real Redis, and the selected database.

pytest loads this plugin before Django reads its settings from the environment.
"""

import asyncio
import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from django.conf import settings

from deploy.embedded_redis import server_command, server_path, wait_until_it_answers
from tests.postgresql import PostgreSQL

# These variables may be set on the machine. The tests run as if they were unset.
UNSET = (
    "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "DATABASE_POOLER", "DATABASE_URL", "EMAIL_URL", "HTTPS",
    "LOCK_TIMEOUT", "LOG_FILE_NAMES", "LOG_FORMAT", "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "REDIS_CA_FILE", "REDIS_KEY_PREFIX", "S3_BUCKET",
    "SECRET_KEY_FALLBACKS", "SENTRY_DSN", "STATEMENT_TIMEOUT",
)  # fmt: skip
# The pytest workers find the database server by this variable. Each worker has its own database on it.
SHARED_DATABASE = "TEST_DATABASE_URL"
FOLDER = Path(tempfile.mkdtemp(prefix="darkroom-tests-"))


def start_redis(*, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a Redis on a socket in `folder`, wait until it answers, and return its process and URL."""
    socket = folder / "redis.sock"
    url = f"unix://{socket}"
    process = subprocess.Popen(server_command(socket_path=socket, folder=folder), stdout=subprocess.DEVNULL)
    asyncio.run(wait_until_it_answers(url=url, seconds=10))
    return process, url


def start_postgresql(*, folder: Path) -> str:
    """Start a PostgreSQL server for this run, wait until it answers, and return its URL."""
    server = PostgreSQL(folder)
    process = server.start()
    atexit.register(process.wait)
    # On SIGINT, PostgreSQL stops without waiting for its clients.
    atexit.register(process.send_signal, signal.SIGINT)
    while not server.answers():
        if process.poll() is not None:
            raise RuntimeError(f"PostgreSQL did not start; its log is in {folder}.")
        time.sleep(0.05)
    return server.url


def _prepare() -> None:
    os.environ.update(
        VAR_DIR=str(FOLDER / "var"),
        MEDIA_ROOT=str(FOLDER / "media"),
        # By default it depends on the machine.
        UPLOADS_AT_ONCE="8",
        SECRET_KEY="a secret of the tests, long enough to be taken for a real one by every check",
        DEBUG="0",
        # A full disk of the machine, or many changes in a minute, must not fail other tests.
        DISK_FREE_BYTES="0",
        REPROCESSINGS_PER_PERSON="0",
        FOCUSES_PER_PERSON="0",
        CHANGES_PER_PERSON="0",
        WEBHOOK_TESTS_PER_PERSON="0",
        # Nothing is published beside the tests.
        METRICS="0",
        # The web process shares connections. The threads of a test each have their own.
        DATABASE_POOL_SIZE="0",
    )
    # Collecting static files takes seconds, so all systems of a run share one folder.
    os.environ.setdefault("STATIC_ROOT", str(FOLDER / "static"))
    for name in UNSET:
        os.environ.pop(name, None)
    server, os.environ["REDIS_URL"] = start_redis(folder=FOLDER)
    atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
    atexit.register(server.wait)
    atexit.register(server.kill)
    if "--database=postgresql" in sys.argv:
        os.environ[SHARED_DATABASE] = start_postgresql(folder=FOLDER)
    if SHARED_DATABASE in os.environ:
        os.environ["DATABASE_URL"] = os.environ[SHARED_DATABASE]


_prepare()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--database` and `--broker`."""
    databases = ["sqlite", "postgresql"]
    parser.addoption("--database", choices=databases, default="sqlite", help="the database to test on")
    brokers = ["redis", "rabbitmq"]
    parser.addoption("--broker", choices=brokers, default="redis", help="the broker of the tests of faults")


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Hash passwords fast, serve static files under their plain names, and let other users read files.

    The settings have closed new files to them, but some servers of the tests run as other users.
    """
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    os.umask(0o022)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that use the database. On SQLite, deselect the tests that need PostgreSQL."""
    for item in items:
        if asks_the_database(item):
            item.add_marker("database")
    if config.getoption("--database") == "sqlite":
        left_out = [item for item in items if item.get_closest_marker("postgresql")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def asks_the_database(item: pytest.Item) -> bool:
    """Return whether a test uses pytest-django's database."""
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return bool(item.get_closest_marker("django_db")) or not {"db", "transactional_db"}.isdisjoint(fixtures)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the database and the Redis program."""
    return [f"database: {config.getoption('--database')}, redis: {server_path()}"]
