"""The result backend returns results to callers, and the pipeline does not need it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from celery import current_app

from processing.models import Lease
from tests.conftest import Send, assert_storage_matches_rows
from tests.processing.processes import ROOT, environment
from tests.system import wait_until
from tests.workers import running_worker
from uploads import pipeline
from uploads.models import Upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database, pytest.mark.slow]

START = """
import django
django.setup()
from celery import current_app
from uploads import pipeline
from uploads.models import Upload
current_app.send_task("processing.tasks.sharpen_image", queue="thumbnails", ignore_result=True)
assert pipeline.start(Upload.objects.select_related("original").get())
"""


def test_task_that_keeps_its_result_returns_it(tmp_path: Path) -> None:
    with running_worker(tmp_path / "log"):
        add: Any = current_app.tasks["celery.accumulate"]
        result = add.apply_async(args=(1, 2), queue="thumbnails", ignore_result=False)
        assert result.get(timeout=20) == [1, 2]
        result.forget()


@pytest.mark.parametrize("backend", ["redis://127.0.0.1:1", "disabled://"], ids=["down", "none"])
def test_chain_continues_without_a_result_backend(
    backend: str, send: Send, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "start", lambda _upload: True)
    send()
    queues = "thumbnails,renditions,notifications"
    with running_worker(tmp_path / "log", queues=queues, CELERY_RESULT_BACKEND=backend) as worker:
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", START],
            cwd=ROOT,
            env={**environment(), "CELERY_RESULT_BACKEND": backend},
            check=True,
            timeout=60,
        )
        wait_until(lambda: Upload.objects.get().status == "ready", seconds=60)
        assert worker.poll() is None
    assert not Lease.objects.exists()
    assert_storage_matches_rows()
