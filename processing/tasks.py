"""The tasks that work on bytes; messages carry the content hash and nothing else."""

from typing import Any

from celery import shared_task
from django.db import InterfaceError, OperationalError

from processing import steps
from processing.errors import Refusal, TransientError
from processing.leases import LeaseHeld
from processing.steps import Step
from processing.storages.media import StorageUnavailable


class HandedBack(TransientError):
    """The worker was told to stop in the midst of a step."""


# Only what may pass is retried, for about half a minute; then the database's own schedule goes
# on (`Lease.next_attempt_at`, the sweeper). A `Refusal` is an answer, no error of ours.
STEP_OPTIONS: dict[str, Any] = {
    "ignore_result": True,
    "autoretry_for": (StorageUnavailable, LeaseHeld, OperationalError, InterfaceError),
    "retry_backoff": 1,
    "retry_backoff_max": 8,
    "max_retries": 5,
    "throws": (Refusal, StorageUnavailable, LeaseHeld, HandedBack),
}


@shared_task(name="processing.tasks.generate_thumbnails", **STEP_OPTIONS)
def generate_thumbnails(*, content_hash: str) -> None:
    """Render the small presets, after the placeholder: what a person waits for."""
    _run(step="generate_thumbnails", content_hash=content_hash)


@shared_task(name="processing.tasks.resize_image", **STEP_OPTIONS)
def resize_image(*, content_hash: str) -> None:
    """Render every other preset."""
    _run(step="resize_image", content_hash=content_hash)


def _run(*, step: Step, content_hash: str) -> None:
    """Run a step; where it is broken off its lease is back, and the sweeper starts it again."""
    try:
        steps.run(step=step, content_hash=content_hash)
    except KeyboardInterrupt as stop:
        raise HandedBack(f"{step} of {content_hash[:12]} is handed back: this worker stops.") from stop
