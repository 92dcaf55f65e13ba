"""What beat starts, over and over; it stands above the pipeline that it keeps moving."""

from typing import Any

from celery import shared_task
from celery.signals import beat_init
from django.core.management import call_command
from django.utils import timezone

from uploads.broker import publish
from uploads.models import Heartbeat
from uploads.upkeep import collector, orphans, recount, sweeper


@shared_task(name="uploads.recurring.sweep", ignore_result=True)
def sweep() -> None:
    """Start again what stands still, and leave a sign that beat and a worker are alive."""
    Heartbeat.objects.update_or_create(name="sweep", defaults={"at": timezone.now()})
    sweeper.sweep()


@beat_init.connect
def sweep_at_once(**_options: Any) -> None:
    """Sweep as soon as beat starts: whatever was stopped or lost goes on at once."""
    publish(sweep.s())


@shared_task(name="uploads.recurring.collect", ignore_result=True)
def collect() -> None:
    """Remove what nobody has any more."""
    collector.collect()


@shared_task(name="uploads.recurring.remove_strays", ignore_result=True)
def remove_strays() -> None:
    """Remove the files that crashes have left without a row."""
    orphans.remove_old()


@shared_task(name="uploads.recurring.clear_sessions", ignore_result=True)
def clear_sessions() -> None:
    """Remove the sessions that have ended."""
    call_command("clearsessions")


@shared_task(name="uploads.recurring.recount_quotas", ignore_result=True)
def recount_quotas() -> None:
    """Count anew what everybody keeps."""
    recount.recount_quotas()
