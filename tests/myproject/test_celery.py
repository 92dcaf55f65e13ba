"""The start of a worker's process before its first task, tested in a separate process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from myproject.celery import app
from tests.processing.processes import COUNT_FAULTS, ROOT

pytestmark = pytest.mark.slow

START = """
import resource
from celery.signals import worker_process_init
from myproject.celery import app
app.loader.import_default_modules()
worker_process_init.send(sender=None)
print(resource.getrlimit(resource.RLIMIT_AS)[0])
"""

PATIENCE = """
from celery.signals import worker_init
from myproject.celery import app
app.loader.import_default_modules()
before = app.conf.broker_transport_options["socket_timeout"]
worker_init.send(sender=None)
with app.connection_for_write() as connection:
    print(before, connection.transport_options["socket_timeout"])
"""

WITHOUT_DATABASE = """
from celery.signals import worker_ready
from myproject.celery import app
app.loader.import_default_modules()
print([answer for _, answer in worker_ready.send(sender=None) if isinstance(answer, Exception)])
"""


def test_worker_starts_without_the_database(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_DATABASE],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/missing/db.sqlite3"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert (process.stdout.strip(), process.stderr) == ("[]", "")


def test_worker_waits_longer_for_redis_than_a_request() -> None:
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PATIENCE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert process.stdout.split() == ["1", "5"]


def test_worker_reconnects_to_the_broker_without_limit() -> None:
    assert app.conf.broker_connection_max_retries is None


def test_child_process_has_a_memory_limit_and_reuses_memory() -> None:
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", START + COUNT_FAULTS],
        cwd=ROOT,
        env={**os.environ, "WORKER_MEMORY": "2000000000"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    limit, faults = map(int, process.stdout.split())
    assert limit == 2_000_000_000
    assert faults < 100
