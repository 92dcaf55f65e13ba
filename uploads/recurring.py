"""What beat starts, over and over; it stands above the pipeline that it keeps moving."""

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone

from uploads import collector, sweeper
from uploads.models import Heartbeat


@shared_task(ignore_result=True)
def sweep() -> None:
    """Start again what stands still, and leave a sign that beat and a worker are alive."""
    Heartbeat.objects.update_or_create(name="sweep", defaults={"at": timezone.now()})
    sweeper.sweep()


@shared_task(ignore_result=True)
def collect() -> None:
    """Remove what nobody has any more."""
    collector.collect()


@shared_task(ignore_result=True)
def clear_sessions() -> None:
    """Remove the sessions that have ended."""
    call_command("clearsessions")
