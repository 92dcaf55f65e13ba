"""A worker that is stopped finishes its work or hands it back, and ends in time."""

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from myproject import stopping
from processing.fingerprint import original_key
from processing.models import Lease, Original
from processing.tasks import generate_thumbnails
from tests.conftest import Send
from tests.processing.processes import ROOT, environment
from tests.system import wait_until
from tests.workers import Worker, running_worker
from uploads import pipeline

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database, pytest.mark.slow]

STOP_TIME = 1
# Seconds after which a worker counts as stuck. The bound is far above STOP_TIME and the time to hand back.
BOUND = 120


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


@pytest.fixture(params=["prefork"])
def worker(request: pytest.FixtureRequest, log: Path) -> Iterator[Worker]:
    with running_worker(log, f"--pool={request.param}", STOP_TIME=str(STOP_TIME)) as process:
        yield process


@pytest.fixture
def stuck(send: Send, monkeypatch: pytest.MonkeyPatch) -> Original:
    """Return an original whose bytes never arrive, so that its reader waits forever."""
    monkeypatch.setattr(pipeline, "start", lambda _upload: True)
    original = send().original
    path = Path(default_storage.path(original_key(original.content_hash)))
    path.unlink()
    os.mkfifo(path)
    return original


def begin(original: Original) -> None:
    """Let the worker begin the step, and wait until it has."""
    generate_thumbnails.delay(content_hash=original.content_hash)
    wait_until(Lease.objects.exists, seconds=20)


def stop(worker: Worker) -> int:
    """Stop the worker, and return its exit status: 0 if it finished its work or handed it back."""
    worker.terminate()
    return worker.wait(timeout=BOUND)


def children(worker: Worker) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()]


def test_idle_worker_stops(worker: Worker) -> None:
    assert stop(worker) == 0


def test_long_step_is_handed_back(worker: Worker, stuck: Original, log: Path) -> None:
    begin(stuck)
    assert stop(worker) == 0
    lease = Lease.objects.get()
    assert (lease.expires_at, lease.attempts, lease.crashes) == (None, 0, 0)
    assert lease.next_attempt_at is not None
    assert lease.next_attempt_at <= timezone.now()
    assert "was handed back, because this worker is stopping" in log.read_text()
    assert "Traceback" not in log.read_text()


def stall_child(worker: Worker) -> None:
    """Freeze the child, like one that is busy in a decoder."""
    (child,) = children(worker)
    os.kill(child, signal.SIGSTOP)


def leave(_worker: Worker) -> None:
    """Do nothing, because a thread receives no signals."""


@pytest.mark.parametrize(
    ("worker", "deafen"), [("prefork", stall_child), ("threads", leave)], indirect=["worker"]
)
def test_unresponsive_worker_is_ended(
    worker: Worker, deafen: Callable[[Worker], None], stuck: Original
) -> None:
    begin(stuck)
    deafen(worker)
    pool = children(worker)
    assert stop(worker) == os.EX_TEMPFAIL
    wait_until(lambda: not any(Path(f"/proc/{child}/exe").exists() for child in pool), seconds=5)
    # Its lease expires, as after any crash.
    assert Lease.objects.get().expires_at is not None


def test_second_signal_does_not_extend_the_time_limit(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    alarms: list[int] = []
    monkeypatch.setattr(signal, "alarm", alarms.append)
    settings.DARKROOM = {**settings.DARKROOM, "STOP_TIME": 7}
    try:
        for _ in range(2):
            stopping.bound()
    finally:
        atexit.unregister(signal.alarm)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert alarms == [7]


# The last object is finalised after Python has removed its signal handlers.
SLOW_END = """
import time
import django
django.setup()
from myproject import stopping
class Slow:
    def __del__(self, sleep=time.sleep):
        sleep(1.5)
slow = Slow()
stopping.bound()
"""


def test_stopping_worker_is_not_killed_during_clean_up() -> None:
    variables = {**environment(), "STOP_TIME": str(STOP_TIME)}
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SLOW_END], cwd=ROOT, env=variables, check=False, timeout=60
    )
    assert process.returncode == 0
