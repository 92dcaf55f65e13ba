"""Deliveries: notices on their way, sent at least once under a stable id, by whoever claims them first."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from processing.errors import TransientError
from uploads import digests
from uploads.mail import MAIL_ERRORS
from uploads.models import Delivery

# Seconds after which an attempt that has not come back is taken for dead; a mail takes ten at most.
_ATTEMPT_TIME = 60
# Seconds after which a published delivery that nobody took up is taken for lost.
_QUEUE_TIME = 300


class DeliveryFailed(TransientError):
    """The other side did not take the notice; it is tried again later, unless it was given up."""


@dataclass(frozen=True, slots=True)
class _Channel:
    """How a delivery is sent, and the seconds before each further attempt; then it is given up."""

    send: Callable[[Delivery], None]
    delays: tuple[int, ...]


_CHANNELS = {
    # Ten seconds, doubled up to an hour: eighty attempts in about three days.
    Delivery.Channel.EMAIL: _Channel(digests.send_mail, tuple(min(10 * 2**n, 3600) for n in range(79))),
}


def due() -> QuerySet[Delivery]:
    """Return the deliveries whose time has come and that are not in the queue already."""
    now = timezone.now()
    not_queued = (
        Q(queued_at=None)
        | Q(queued_at__lt=F("next_attempt_at"))
        | Q(queued_at__lt=now - timedelta(seconds=_QUEUE_TIME))
    )
    return Delivery.objects.filter(not_queued, delivered_at=None, next_attempt_at__lte=now)


def mark_queued(delivery: Delivery) -> None:
    """Note that a delivery was published just now."""
    Delivery.objects.filter(pk=delivery.pk).update(queued_at=timezone.now())


def deliver(delivery_id: str) -> None:
    """Deliver one notice, unless that is done or being done.

    Raises `DeliveryFailed`; the time of the next attempt is in the database then.
    """
    delivery = _claim(delivery_id)
    if delivery is None:
        return
    try:
        _CHANNELS[Delivery.Channel(delivery.channel)].send(delivery)
    except MAIL_ERRORS as error:
        _postpone(delivery, error)
        raise DeliveryFailed(f"{delivery} was not taken: {error}") from error
    Delivery.objects.filter(Q(pk=delivery.pk) | Q(digest=delivery)).update(
        delivered_at=timezone.now(), next_attempt_at=None, failed_at=None, last_error=""
    )


def _claim(delivery_id: str) -> Delivery | None:
    """Return the delivery with its next attempt moved past this one, or None where nothing is due."""
    now = timezone.now()
    with transaction.atomic():
        delivery = (
            Delivery.objects.select_for_update(of=("self",))
            .select_related("event__owner")
            .filter(next_attempt_at__lte=now, pk=delivery_id, delivered_at=None)
            .first()
        )
        if delivery is not None:
            _begin_attempt(delivery)
    return delivery


def _begin_attempt(delivery: Delivery) -> None:
    """Count the attempt. The last one is given up beforehand: a worker may die of it."""
    now = timezone.now()
    delivery.attempts += 1
    if delivery.attempts > len(_delays(delivery)):
        delivery.next_attempt_at, delivery.failed_at = None, now
        delivery.members.update(failed_at=now)
    else:
        delivery.next_attempt_at = now + timedelta(seconds=_ATTEMPT_TIME)
    delivery.save(update_fields=["attempts", "next_attempt_at", "failed_at"])


def _postpone(delivery: Delivery, error: Exception) -> None:
    if delivery.failed_at is None:
        delay = _delays(delivery)[delivery.attempts - 1]
        delivery.next_attempt_at = timezone.now() + timedelta(seconds=delay)
    delivery.last_error = str(error)[:500]
    delivery.save(update_fields=["next_attempt_at", "last_error"])


def _delays(delivery: Delivery) -> tuple[int, ...]:
    return _CHANNELS[Delivery.Channel(delivery.channel)].delays
