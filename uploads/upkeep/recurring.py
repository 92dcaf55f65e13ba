"""The tasks that Celery beat starts periodically."""

from datetime import timedelta
from typing import Any

from celery import shared_task
from celery.signals import beat_init

from processing import clock
from processing.storages.media import StorageUnavailable
from uploads.broker import publish
from uploads.models import Heartbeat
from uploads.tokens import legacy
from uploads.upkeep import (
    collector,
    nightly_figures,
    recount,
    report,
    retention,
    set_back,
    sweeper,
    unknown_files,
    unused,
)

# Several messages of a job may have waited for a worker. Those of this time count as one.
_APART = timedelta(seconds=2)


@shared_task(name="uploads.recurring.sweep", ignore_result=True)
def sweep() -> None:
    """Restart stalled uploads and notices, and record a heartbeat of beat and the worker."""
    if _begins("sweep"):
        sweeper.sweep()


@beat_init.connect
def sweep_at_once(**_options: Any) -> None:
    """Sweep when beat starts, so that stopped or lost work continues at once."""
    publish(sweep.s())


@shared_task(name="uploads.recurring.collect", ignore_result=True)
def collect() -> None:
    """Purge deleted uploads, and remove unused originals and expired private links."""
    if _begins("collect"):
        collector.collect()


@shared_task(name="uploads.recurring.count_unknown_files", ignore_result=True, throws=(StorageUnavailable,))
def count_unknown_files() -> None:
    """Count the files that the database has never heard of."""
    unknown_files.count()


@shared_task(name="uploads.recurring.clear_sessions", ignore_result=True)
def clear_sessions() -> None:
    """Remove expired sessions, and those of deleted people; go on later if there are many."""
    if not retention.end_sessions():
        publish(clear_sessions.s())


@shared_task(name="uploads.recurring.end_records", ignore_result=True)
def end_records() -> None:
    """End old notices, deliveries and events; go on later if there are many."""
    if not retention.end_records():
        publish(end_records.s())


@shared_task(name="uploads.recurring.remove_unused", ignore_result=True)
def remove_unused() -> None:
    """Remove the unused uploads of models' fields; go on later if there are many."""
    if not unused.remove_unused():
        publish(remove_unused.s())


@shared_task(name="uploads.recurring.recount_quotas", ignore_result=True)
def recount_quotas() -> None:
    """Recount the usage of all people."""
    recount.recount_quotas()


@shared_task(name="uploads.recurring.erase_plain_keys", ignore_result=True)
def erase_plain_keys() -> None:
    """Erase the keys of tokens that an older version stored in plain text."""
    legacy.erase_plain_keys()


@shared_task(name="uploads.recurring.check_sample", ignore_result=True, throws=(StorageUnavailable,))
def check_sample() -> None:
    """Read some stored files again and compare their hashes."""
    nightly_figures.check_sample()


@shared_task(name="uploads.recurring.take_figures", ignore_result=True)
def take_figures() -> None:
    """Record the size of the storage."""
    nightly_figures.take()


@shared_task(name="uploads.recurring.report", ignore_result=True)
def report_to_staff() -> None:
    """Make the report to staff if a period is over, and queue its mails."""
    report.make_due()


def _begins(name: str) -> bool:
    """Record a heartbeat of a job; return False if the job has begun a moment ago."""
    now = clock.now()
    last = Heartbeat.last(name)
    if last is not None and last > now + Heartbeat.AHEAD:
        set_back.correct(now)
    elif last is not None and last > now - _APART:
        return False
    Heartbeat.objects.update_or_create(name=name, defaults={"at": now})
    return True
