"""The tasks that work for people; messages carry ids and nothing else."""

from typing import Any

from celery import shared_task
from django.db import InterfaceError, OperationalError

from uploads.completion import complete
from uploads.notices import outbox, schedule
from uploads.notices.schedule import DeliveryFailed

# A database that is away may come back; everything else is for the sweeper.
RETRY_OPTIONS: dict[str, Any] = {
    "ignore_result": True,
    "autoretry_for": (OperationalError, InterfaceError),
    "retry_backoff": 1,
    "retry_backoff_max": 8,
    "max_retries": 5,
}


@shared_task(name="uploads.tasks.notify_owner", **RETRY_OPTIONS)
def notify_owner(*, upload_id: str) -> None:
    """Mark the upload as ready, and tell its owner."""
    complete(upload_id)


@shared_task(name="uploads.tasks.deliver", **RETRY_OPTIONS, throws=(DeliveryFailed,))
def deliver(*, delivery_id: str) -> None:
    """Deliver one notice, and queue what its endpoint waits for; the sweeper tries again what failed."""
    following = schedule.deliver(delivery_id)
    if following is not None:
        outbox.publish(following)
