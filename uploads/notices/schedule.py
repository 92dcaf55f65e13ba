"""Deliveries: notices on their way, sent at least once under a stable id, by whoever claims them first."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import SystemRandom
from typing import Any

from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import override

from processing.errors import TransientError
from uploads.models import Delivery, Endpoint
from uploads.notices import email, endpoints, webhooks
from uploads.notices.email import MAIL_ERRORS
from uploads.notices.endpoints import ATTEMPT_TIME
from uploads.notices.preferences import language_of
from uploads.notices.webhooks import NotTaken

# Seconds after which a published delivery that nobody took up is taken for lost: while others wait in
# its queue, and when that is empty.
_QUEUE_TIME, _DRAINED_TIME = 300, 5
# The longest that an endpoint may ask for by `Retry-After`, in seconds.
_LONGEST_WISH = 3600


class DeliveryFailed(TransientError):
    """The other side did not take the notice; it is tried again later, unless it was given up."""


@dataclass(frozen=True, slots=True)
class _Channel:
    """How a delivery is sent, and the seconds before each further attempt; then it is given up.

    `jitter` is the part of a delay by which it may be longer, so that not all come at once.
    """

    send: Callable[[Delivery], None]
    delays: tuple[int, ...]
    jitter: float = 0


_CHANNELS = {
    # Ten seconds, doubled up to an hour: eighty attempts in about three days.
    Delivery.Channel.EMAIL: _Channel(email.send, tuple(min(10 * 2**n, 3600) for n in range(79))),
    # The schedule that Standard Webhooks 1.0 proposes: ten attempts in about three days.
    Delivery.Channel.WEBHOOK: _Channel(
        webhooks.send, (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400), jitter=0.1
    ),
}


def due(*, drained: bool = False) -> QuerySet[Delivery]:
    """Return the deliveries whose time has come and that are not in the queue already, oldest first.

    `drained` tells that the queue is empty. Of each endpoint it is one at most, none while it rests or is
    disabled: what it takes brings the next one, so a thousand for one endpoint never stand before a mail.
    """
    ready = _ready(drained=drained)
    first = ready.filter(endpoint=OuterRef("pk")).values("pk")[:1]
    awake = Q(resting_until=None) | Q(resting_until__lte=timezone.now())
    # Asked for each endpoint, not for each of the thousands that may wait for it.
    one_each = Endpoint.objects.filter(awake, disabled_at=None).order_by().values_list(Subquery(first))
    return ready.filter(Q(endpoint=None) | Q(pk__in=one_each))


def _ready(*, drained: bool) -> QuerySet[Delivery]:
    now = timezone.now()
    lost = now - timedelta(seconds=_DRAINED_TIME if drained else _QUEUE_TIME)
    not_queued = Q(queued_at=None) | Q(queued_at__lt=F("next_attempt_at")) | Q(queued_at__lt=lost)
    ready = Delivery.objects.filter(not_queued, delivered_at=None, next_attempt_at__lte=now)
    return ready.order_by("next_attempt_at", "pk")


def deliver(delivery_id: str) -> Delivery | None:
    """Deliver one notice, unless that is done or being done; return what the same endpoint waits for.

    Raises `DeliveryFailed`; the time of the next attempt is in the database then.
    """
    delivery = _claim(delivery_id)
    if delivery is None:
        return None
    # What is sent, and what is noted of it, is read by its owner.
    with override(language_of(delivery.event.owner)):
        _send(delivery)
    _finish(delivery)
    waiting = _ready(drained=False).filter(endpoint=delivery.endpoint_id)
    return waiting.first() if delivery.endpoint_id else None


def _send(delivery: Delivery) -> None:
    try:
        _CHANNELS[Delivery.Channel(delivery.channel)].send(delivery)
    except (*MAIL_ERRORS, NotTaken) as error:
        _postpone(delivery, error)
        raise DeliveryFailed(f"{delivery.channel} {delivery.pk} was not taken: {error}") from error


@transaction.atomic
def _claim(delivery_id: str) -> Delivery | None:
    """Return the delivery with its next attempt moved past this one, or None where nothing is due."""
    delivery = (
        Delivery.objects.select_for_update(of=("self",))
        .select_related("event__owner", "endpoint")
        .filter(next_attempt_at__lte=timezone.now(), pk=delivery_id, delivered_at=None)
        .first()
    )
    if delivery is None:
        return None
    if delivery.endpoint_id and not endpoints.take_turn(delivery.endpoint_id):
        # It is out of the queue now, and published again when the endpoint's turn has come.
        Delivery.objects.filter(pk=delivery.pk).update(queued_at=None)
        return None
    _begin_attempt(delivery)
    return delivery


def _begin_attempt(delivery: Delivery) -> None:
    """Count the attempt. The last one is given up beforehand: a worker may die of it."""
    now = timezone.now()
    delivery.attempts += 1
    delivery.started_at = now
    if delivery.attempts > len(_CHANNELS[Delivery.Channel(delivery.channel)].delays):
        delivery.next_attempt_at, delivery.failed_at = None, now
        delivery.members.update(failed_at=now)
    else:
        delivery.next_attempt_at = now + timedelta(seconds=ATTEMPT_TIME)
    delivery.save(update_fields=["attempts", "started_at", "next_attempt_at", "failed_at"])


@transaction.atomic
def _finish(delivery: Delivery) -> None:
    now = timezone.now()
    _note(delivery, delivered_at=now, failed_at=None, next_attempt_at=None, last_error="")
    delivery.members.update(delivered_at=now, failed_at=None)
    if delivery.endpoint_id:
        endpoints.note_success(delivery.endpoint_id)


@transaction.atomic
def _postpone(delivery: Delivery, error: Exception) -> None:
    given_up = delivery.failed_at is not None
    at = None if given_up else timezone.now() + _delay(delivery, error)
    _note(delivery, next_attempt_at=at, last_error=str(error)[:500])
    if isinstance(error, NotTaken):
        endpoints.note_failure(delivery.endpoint_id, error)


def _note(delivery: Delivery, **outcome: Any) -> None:
    """Write down how an attempt has ended, unless the delivery is gone meanwhile."""
    Delivery.objects.filter(pk=delivery.pk).update(
        **outcome, started_at=None, status_code=delivery.status_code, duration=delivery.duration
    )


def _delay(delivery: Delivery, error: Exception) -> timedelta:
    """Return the time to the next attempt, by the schedule or as the endpoint wishes."""
    channel = _CHANNELS[Delivery.Channel(delivery.channel)]
    seconds = channel.delays[delivery.attempts - 1] * SystemRandom().uniform(1, 1 + channel.jitter)
    wish = error.retry_after if isinstance(error, NotTaken) else 0
    return timedelta(seconds=max(seconds, min(wish, _LONGEST_WISH)))
