"""A separate worker on the database, storage and broker of the tests."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from myproject.celery import app
from tests.processing.processes import ROOT, environment
from tests.system import wait_until

Worker = subprocess.Popen[bytes]


@contextmanager
def running_worker(
    log: Path, *options: str, queues: str = "thumbnails", **variables: str
) -> Iterator[Worker]:
    """Run a worker with one process. Its queues are empty at the start, and it is killed at the end."""
    app.control.purge()
    command = ["celery", "--app=myproject", "worker", f"--queues={queues}", "--concurrency=1", *options]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", *command, "--loglevel=INFO", "--without-gossip", "--without-mingle"],
            cwd=ROOT,
            env={**environment(), **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            wait_until(lambda: "ready." in log.read_text() or process.poll() is not None, seconds=60)
            assert process.poll() is None, log.read_text()
            yield process
        finally:
            process.kill()
            app.control.purge()
