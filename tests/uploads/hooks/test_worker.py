"""Hooks in a real worker: a process of Celery's pool interrupts one that hangs, and goes on."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from myproject.celery import app
from processing.models import Lease
from tests.conftest import MakeImage, Send
from tests.processing.processes import ROOT, environment
from tests.system import wait_until
from tests.uploads.hooks.conftest import SCRIPTED, Configure
from uploads.models import Upload, Verdict
from uploads.testing import UploadFailed, wait_until_ready

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


@pytest.fixture
def worker(log: Path, configure: Configure) -> Iterator[subprocess.Popen[bytes]]:
    """Return a worker of one process, whose hook hangs for images of one size and refuses another."""
    app.control.purge()
    queues = "--queues=thumbnails,renditions,notifications"
    command = ["celery", "--app=myproject", "worker", queues, "--concurrency=1", "--loglevel=warning"]
    hooks = {"HOOKS": f"{SCRIPTED}.by_width", "HOOK_TIMEOUT": "0.2"}
    configure("by_width", HOOK_TIMEOUT=0.2)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--without-gossip", "--without-mingle", "--without-heartbeat"],
            cwd=ROOT,
            env={**environment(), **hooks},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        yield process
        process.terminate()
        process.wait(timeout=30)
    app.control.purge()


def test_worker_outlives_a_hook_that_hangs(
    send: Send, stranger: User, make_image: MakeImage, worker: subprocess.Popen[bytes], log: Path
) -> None:
    hanging = send(make_image(width=100))
    wait_until(lambda: "took too long" in "".join(Lease.objects.values_list("last_error", flat=True)))
    assert not hanging.original.renditions.exists()
    # The sizes of a person wait for the person's thumbnails, so these are another's.
    refused, passed = (send(make_image(width=width), by=stranger) for width in (200, 300))
    assert wait_until_ready(passed, seconds=180).shown_renditions()
    with pytest.raises(UploadFailed, match="refused_by_hook: It is 200 pixels wide"):
        wait_until_ready(refused, seconds=180)
    assert worker.poll() is None
    assert Verdict.objects.count() == 2
    assert "Traceback" not in log.read_text()
    hanging.refresh_from_db()
    assert (hanging.status, Upload.objects.count()) == ("pending", 3)
