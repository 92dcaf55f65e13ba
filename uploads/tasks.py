"""The tasks that work for people; messages carry ids and nothing else."""

from functools import partial
from typing import Any

from celery import shared_task
from django.db import InterfaceError, OperationalError, transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from uploads import deliveries
from uploads.completion import complete
from uploads.deliveries import DeliveryFailed
from uploads.models import Delivery
from uploads.publishing import publish

# A database that is away may come back; everything else is for the sweeper.
RETRY_OPTIONS: dict[str, Any] = {
    "ignore_result": True,
    "autoretry_for": (OperationalError, InterfaceError),
    "retry_backoff": 1,
    "retry_backoff_max": 8,
    "max_retries": 5,
}


@shared_task(**RETRY_OPTIONS)
def notify_owner(*, upload_id: str) -> None:
    """Mark the upload as ready, and tell its owner."""
    complete(upload_id)


@shared_task(**RETRY_OPTIONS, throws=(DeliveryFailed,))
def deliver(*, delivery_id: str) -> None:
    """Deliver one notice, and queue what its endpoint waits for; the sweeper tries again what failed."""
    following = deliveries.deliver(delivery_id)
    if following is not None:
        publish_delivery(following)


@receiver(post_save, sender=Delivery)
def queue_delivery(*, instance: Delivery, created: bool, **kwargs: Any) -> None:
    """Queue a new notice that is due once its transaction has committed."""
    if created and instance.next_attempt_at is not None:
        transaction.on_commit(partial(publish_delivery, instance))


def publish_delivery(delivery: Delivery) -> None:
    """Queue a notice; one that cannot be queued now is for the sweeper."""
    if publish(deliver.s(delivery_id=str(delivery.pk))):
        deliveries.mark_queued(delivery)
