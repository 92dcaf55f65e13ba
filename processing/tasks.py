"""The tasks that work on bytes; their messages carry only the content hash."""

import time
from contextlib import suppress
from datetime import datetime
from typing import Any

from celery import Task, current_task, shared_task
from celery.signals import before_task_publish, task_prerun, worker_ready
from django.db import DatabaseError, connection

from processing import renditions, steps
from processing.conf import darkroom
from processing.database.availability import DATABASE_UNAVAILABLE
from processing.errors import Refusal, TransientError
from processing.garbage.pending_files import FileRemoved
from processing.leases import LeaseHeld
from processing.renderer.options import RendererUnavailable
from processing.spans import DUE_AT, record
from processing.steps import Postponed, SetAside, Step
from processing.storages.media import StorageUnavailable


class HandedBack(TransientError):
    """The worker was told to stop in the middle of a step."""


# Only transient errors are retried, for about half a minute. After that the sweeper follows the database's
# schedule (`Lease.next_attempt_at`). A `Refusal` is a result, not an error of Darkroom's.
STEP_OPTIONS: dict[str, Any] = {
    "ignore_result": True,
    "autoretry_for": (
        StorageUnavailable,
        FileRemoved,
        LeaseHeld,
        RendererUnavailable,
        *DATABASE_UNAVAILABLE,
    ),
    "retry_backoff": 1,
    "retry_backoff_max": 8,
    "max_retries": 5,
    "throws": (
        Refusal,
        StorageUnavailable,
        FileRemoved,
        LeaseHeld,
        RendererUnavailable,
        Postponed,
        SetAside,
        HandedBack,
    ),
}


@shared_task(name="processing.tasks.generate_thumbnails", **STEP_OPTIONS)
def generate_thumbnails(*, content_hash: str) -> None:
    """Render the placeholder and then the thumbnails, which people wait for."""
    _run(step="generate_thumbnails", content_hash=content_hash)


@shared_task(name="processing.tasks.resize_image", **STEP_OPTIONS)
def resize_image(*, content_hash: str) -> None:
    """Render every other preset."""
    _run(step="resize_image", content_hash=content_hash)


@worker_ready.connect
def report_resampler(**_options: Any) -> None:
    """Warn if this host renders otherwise than its site did; a worker also starts without the database."""
    with suppress(DatabaseError):
        renditions.report_resampler()
    connection.close()


@before_task_publish.connect
def note_due_time(*, headers: dict[str, Any], **_options: Any) -> None:
    """Note in a message when a worker may receive it: now, or when a retry is due."""
    eta = headers.get("eta")
    headers[DUE_AT] = datetime.fromisoformat(eta).timestamp() if eta else time.time()


@task_prerun.connect
def report_wait(*, task: Task[Any, Any], **_options: Any) -> None:
    """Report how long the message of a task has waited in its queue."""
    # A message of an older version has no time, and a task that is called directly has no message.
    due_at = task.request.get(DUE_AT)
    if due_at is not None:
        info = task.request.delivery_info or {}
        queue = str(info.get("routing_key") or "").rpartition(".")[2]
        record("queue_wait", seconds=max(0.0, time.time() - float(due_at)), task=task.name, queue=queue)


def _run(*, step: Step, content_hash: str) -> None:
    """Run a step; if it is interrupted, its lease has been released and the sweeper restarts it."""
    try:
        steps.run(step=step, content_hash=content_hash, alone=_is_bulk())
    except KeyboardInterrupt as stop:
        raise HandedBack(
            f"{step} of {content_hash[:12]} was handed back, because this worker is stopping."
        ) from stop


def _is_bulk() -> bool:
    """Return whether the message of the current task came through the bulk queue, perhaps with a delay.

    In a project with one queue for everything, each message did.
    """
    if not darkroom().bulk_queue:
        return True
    # Outside a task this is None, whatever its type says.
    request = getattr(current_task, "request", None)
    key = (getattr(request, "delivery_info", None) or {}).get("routing_key") or ""
    # RabbitMQ's delayed delivery puts the delay before the queue's name: `0.0.….1.bulk`.
    return str(key).rpartition(".")[2] == darkroom().bulk_queue
