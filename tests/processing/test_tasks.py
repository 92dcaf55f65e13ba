"""The tasks: their messages, queues and retries."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from myproject.celery import app
from processing import steps
from processing.conf import darkroom
from processing.database.availability import DATABASE_UNAVAILABLE
from processing.errors import Refusal, TransientError
from processing.garbage.pending_files import FileRemoved
from processing.images.reading.refusals import UnreadableImage
from processing.leases import LeaseHeld
from processing.models import Lease, Original, Rendition
from processing.renderer.options import RendererUnavailable
from processing.steps import SetAside
from processing.storages.media import StorageUnavailable
from processing.tasks import HandedBack, generate_thumbnails, resize_image
from tests.conftest import assert_storage_matches_rows
from tests.processing.conftest import News, StoreOriginal
from tests.processing.processes import ROOT, environment
from tests.system import wait_until

pytestmark = pytest.mark.slow

# celery-types does not declare the attributes of retries.
TASKS: dict[str, Any] = {"thumbnails": generate_thumbnails, "renditions": resize_image}

both_tasks = pytest.mark.parametrize("queue", TASKS)


@pytest.fixture
def broker() -> Iterator[Any]:
    """Return a connection to the broker, whose queues are emptied before and after the test."""
    app.control.purge()
    with app.connection_for_write() as connection:
        yield connection.default_channel
    app.control.purge()


@both_tasks
def test_each_task_has_its_own_queue(queue: str) -> None:
    assert app.amqp.router.route({}, TASKS[queue].name)["queue"].name == queue


@both_tasks
def test_tasks_store_no_result(queue: str) -> None:
    assert TASKS[queue].ignore_result


@both_tasks
def test_only_transient_errors_are_retried(queue: str) -> None:
    retried: tuple[type[Exception], ...] = TASKS[queue].autoretry_for
    assert set(retried) == {
        StorageUnavailable,
        FileRemoved,
        LeaseHeld,
        RendererUnavailable,
        *DATABASE_UNAVAILABLE,
    }
    for error in retried:
        assert not issubclass(error, Refusal)
        assert issubclass(error, TransientError) or error.__module__ == "django.db.utils"


@both_tasks
def test_message_contains_only_the_content_hash(queue: str, broker: Any) -> None:
    TASKS[queue].delay(content_hash="ab" * 32)
    message = broker.basic_get(queue)
    arguments, keywords, _ = json.loads(message.body)
    assert message.headers["task"] == TASKS[queue].name
    assert (arguments, keywords) == ([], {"content_hash": "ab" * 32})


@both_tasks
@pytest.mark.parametrize(("name", "alone"), [("bulk", False), ("", True)])
def test_every_step_is_alone_in_a_project_without_a_bulk_queue(
    queue: str, name: str, alone: bool, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "BULK_QUEUE": name}
    seen: list[bool] = []
    monkeypatch.setattr(steps, "run", lambda **options: seen.append(options["alone"]))
    TASKS[queue](content_hash="ab" * 32)
    assert seen == [alone]


def attempts(task: Any, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> tuple[int, Any]:
    """Return how often the task is tried if it raises `error`, and its last result."""
    tries: list[dict[str, Any]] = []

    def fail(**kwargs: Any) -> None:
        tries.append(kwargs)
        raise error

    monkeypatch.setattr(steps, "run", fail)
    result = task.apply(kwargs={"content_hash": "ab" * 32})
    return len(tries), result.result


@pytest.mark.parametrize(
    "error",
    [StorageUnavailable("away"), LeaseHeld("held"), *(error("away") for error in DATABASE_UNAVAILABLE)],
)
@both_tasks
def test_transient_error_is_tried_six_times(
    queue: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, result = attempts(TASKS[queue], error, monkeypatch)
    assert tried == 6
    assert isinstance(result, type(error))


@pytest.mark.parametrize("error", [UnreadableImage("damaged"), ValueError("a mistake of ours")])
@both_tasks
def test_permanent_error_is_tried_once(queue: str, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    assert attempts(TASKS[queue], error, monkeypatch) == (1, error)


@both_tasks
def test_original_set_aside_is_not_retried_here(queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    count, result = attempts(TASKS[queue], SetAside("again"), monkeypatch)
    assert (count, type(result)) == (1, SetAside)
    assert SetAside in TASKS[queue].throws


@pytest.mark.parametrize(
    ("routing_key", "alone"), [("thumbnails", False), ("bulk", True), ("0.0.1.bulk", True), (None, False)]
)
@both_tasks
def test_step_is_alone_in_the_bulk_queue(
    queue: str, routing_key: str | None, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []
    monkeypatch.setattr(steps, "run", lambda **kwargs: told.append(kwargs["alone"]))
    TASKS[queue].apply(kwargs={"content_hash": "ab" * 32}, routing_key=routing_key).get()
    assert told == [alone]


@both_tasks
def test_interrupted_step_is_handed_back_without_retry(queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    count, result = attempts(TASKS[queue], KeyboardInterrupt(), monkeypatch)
    assert (count, type(result)) == (1, HandedBack)
    assert HandedBack in TASKS[queue].throws


def test_retries_wait_at_most_half_a_minute() -> None:
    for task in TASKS.values():
        longest = sum(
            min(task.retry_backoff * 2**retry, task.retry_backoff_max) for retry in range(task.max_retries)
        )
        assert 15 <= longest <= 30


@both_tasks
def test_task_runs_its_step(queue: str, store_original: StoreOriginal, news: News) -> None:
    original = store_original()
    TASKS[queue].apply(kwargs={"content_hash": original.content_hash}, throw=True)
    assert news.finished == [TASKS[queue].name.rpartition(".")[2]]
    assert Rendition.objects.count() == {"thumbnails": 2, "renditions": 8}[queue]


@pytest.fixture
def worker(broker: Any, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Return a real worker for both queues, on the database, storage and broker of the tests."""
    command = ["celery", "--app=myproject", "worker", "--queues=thumbnails,renditions", "--concurrency=1"]
    options = ["--loglevel=warning", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, *options],
            cwd=ROOT,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        yield process
        process.terminate()
        process.wait(timeout=30)
    assert "Traceback" not in log.read_text()


def wait_until_done(original: Original, *, rows: int, worker: subprocess.Popen[bytes]) -> None:
    def is_done() -> bool:
        assert worker.poll() is None, "the worker has ended"
        return not Lease.objects.exists() and Rendition.objects.filter(original=original).count() == rows

    wait_until(is_done, seconds=60)


@pytest.mark.django_db(transaction=True)
def test_real_worker_renders(store_original: StoreOriginal, worker: subprocess.Popen[bytes]) -> None:
    original = store_original()
    for task in (generate_thumbnails, resize_image, generate_thumbnails):
        task.delay(content_hash=original.content_hash)
    wait_until_done(original, rows=10, worker=worker)
    original.refresh_from_db()
    assert original.color.startswith("#")
    assert_storage_matches_rows()


def test_no_step_outlives_its_lease() -> None:
    assert app.conf.task_time_limit == darkroom().step_time_limit
