"""The outbox saves a notice as a row, and publishes its message after the commit."""

from datetime import datetime
from functools import partial

from celery import current_app
from django.db import transaction

from processing import clock, correlation
from processing.conf import darkroom
from uploads import broker
from uploads.models import Delivery, Endpoint, Event

# Referenced by name, because `uploads.tasks` imports this module.
DELIVER = "uploads.tasks.deliver"


def put(
    *,
    event: Event,
    channel: Delivery.Channel,
    subject: str,
    endpoint: Endpoint | None = None,
    at: datetime | None = None,
) -> Delivery:
    """Create a delivery that is due at `at`; without a time it is held for the next digest."""
    delivery = Delivery.objects.create(
        event=event, channel=channel, subject=subject, endpoint=endpoint, next_attempt_at=at
    )
    if at is not None:
        publish_on_commit(delivery)
    return delivery


def publish_on_commit(delivery: Delivery) -> None:
    """Queue a delivery after the current transaction commits."""
    transaction.on_commit(partial(publish, delivery))


def publish(delivery: Delivery) -> None:
    """Queue a delivery; the sweeper retries if the broker is unavailable."""
    message = current_app.signature(DELIVER, kwargs={"delivery_id": str(delivery.pk)})
    with correlation.carried(request_id=delivery.request_id, upload_id=delivery.event.upload_id):
        is_published = broker.publish(broker.in_queue(message, darkroom().notifications_queue))
    if is_published:
        Delivery.objects.filter(pk=delivery.pk).update(queued_at=clock.now())
