"""The Celery tasks of `uploads`; messages carry only ids."""

from typing import Any

from celery import shared_task

from processing.database.availability import DATABASE_UNAVAILABLE
from uploads.completion import complete
from uploads.notices import outbox, purging, reports, schedule
from uploads.notices.purging import NotPurged
from uploads.notices.reports import ReportNotSent
from uploads.notices.schedule import DeliveryFailed

# Retry while the database is unavailable; the sweeper handles everything else.
RETRY_OPTIONS: dict[str, Any] = {
    "ignore_result": True,
    "autoretry_for": DATABASE_UNAVAILABLE,
    "retry_backoff": 1,
    "retry_backoff_max": 8,
    "max_retries": 5,
}
# Retry for some forty minutes. After an hour, nginx forgets a path without a purge.
PURGE_OPTIONS: dict[str, Any] = {
    "ignore_result": True,
    "autoretry_for": (NotPurged, *DATABASE_UNAVAILABLE),
    "retry_backoff": 2,
    "retry_backoff_max": 600,
    "retry_jitter": False,
    "max_retries": 11,
    "throws": (NotPurged,),
}


@shared_task(name="uploads.tasks.notify_owner", **RETRY_OPTIONS)
def notify_owner(*, upload_id: str) -> None:
    """Mark the upload as ready and notify its owner."""
    complete(upload_id)


@shared_task(name="uploads.tasks.deliver", **RETRY_OPTIONS, throws=(DeliveryFailed,))
def deliver(*, delivery_id: str) -> None:
    """Deliver one notice and queue the endpoint's next one; the sweeper retries failures."""
    following = schedule.deliver(delivery_id)
    if following is not None:
        outbox.publish(following)


@shared_task(name="uploads.tasks.purge", **PURGE_OPTIONS)
def purge(*, paths: list[str]) -> None:
    """Remove the paths of an upload that may no longer be shown from the caches of nginx."""
    purging.purge(paths)


@shared_task(name="uploads.tasks.purge_owner", **PURGE_OPTIONS)
def purge_owner(*, owner_id: str) -> None:
    """Remove the paths of all uploads of a suspended owner from the caches of nginx."""
    purging.purge_owner(owner_id)


@shared_task(name="uploads.tasks.send_report", **RETRY_OPTIONS, throws=(ReportNotSent,))
def send_report(*, mail_id: int) -> None:
    """Send a report to one member of staff; beat queues it again after a failure."""
    reports.send(mail_id)
