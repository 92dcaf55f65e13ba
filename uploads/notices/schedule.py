"""Deliveries: notices are sent at least once, under a stable id, by the worker that claims them first."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import SystemRandom
from typing import Any

from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import override

from processing import clock
from processing.errors import TransientError
from processing.metrics.counters import COUNTERS
from processing.metrics.families import DELIVERIES
from uploads.models import Delivery, Endpoint
from uploads.notices import email, endpoints, webhooks
from uploads.notices.announcements import announce_refused_address
from uploads.notices.email import MAIL_ERRORS
from uploads.notices.endpoints import ATTEMPT_TIME
from uploads.notices.mailbox import AddressRefused, NoAddress
from uploads.notices.preferences import language_for
from uploads.notices.webhooks import NotTaken
from uploads.owners import owners

# Seconds after which a queued delivery that no worker started counts as lost. The second number applies
# while the queue is empty.
_QUEUE_TIME, _DRAINED_TIME = 300, 5
# The longest `Retry-After` that is honoured, in seconds.
_LONGEST_WISH = 3600


class DeliveryFailed(TransientError):
    """The recipient did not accept the notice; the delivery is retried until it is given up."""


@dataclass(frozen=True, slots=True)
class _Channel:
    """How a delivery is sent, and the seconds before each retry; after the last it is given up.

    `jitter` is the largest fraction that is added to a delay, so that retries are spread out.
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
    """Return the deliveries that are due and not in the queue, oldest first.

    Those of suspended people are left out. `drained` means that the queue is empty. Each endpoint contributes
    one delivery at most, and none while it backs off or is disabled. Each accepted delivery queues the next,
    so a thousand for one endpoint never delay an email.
    """
    ready = _ready(drained=drained)
    first = ready.filter(endpoint=OuterRef("pk")).values("pk")[:1]
    awake = Q(resting_until=None) | Q(resting_until__lte=clock.now())
    # One subquery for each endpoint, instead of one for each of its deliveries.
    one_each = (
        Endpoint.objects.filter(awake, owners().active("owner"), disabled_at=None)
        .order_by()
        .values_list(Subquery(first))
    )
    return ready.filter(Q(endpoint=None) | Q(pk__in=one_each))


def _ready(*, drained: bool) -> QuerySet[Delivery]:
    now = clock.now()
    lost = now - timedelta(seconds=_DRAINED_TIME if drained else _QUEUE_TIME)
    not_queued = Q(queued_at=None) | Q(queued_at__lt=F("next_attempt_at")) | Q(queued_at__lt=lost)
    ready = Delivery.objects.filter(
        not_queued, owners().active("event__owner"), delivered_at=None, next_attempt_at__lte=now
    )
    return ready.order_by("next_attempt_at", "pk")


def deliver(delivery_id: str) -> Delivery | None:
    """Deliver one notice unless that is done or under way; return the endpoint's next delivery.

    Raises `DeliveryFailed` after saving the time of the next attempt.
    """
    delivery = _claim(delivery_id)
    if delivery is None:
        return None
    # The message and the recorded error are in the owner's language.
    with override(language_for(delivery.event.owner)):
        _send(delivery)
    _finish(delivery)
    COUNTERS.count(DELIVERIES, delivery.channel, "delivered")
    waiting = _ready(drained=False).filter(endpoint=delivery.endpoint_id)
    return waiting.first() if delivery.endpoint_id else None


def _send(delivery: Delivery) -> None:
    try:
        _CHANNELS[Delivery.Channel(delivery.channel)].send(delivery)
    except (*MAIL_ERRORS, NoAddress, NotTaken) as error:
        _postpone(delivery, error)
        COUNTERS.count(DELIVERIES, delivery.channel, "given_up" if delivery.failed_at else "failed")
        raise DeliveryFailed(f"{delivery.channel} {delivery.pk} was not delivered: {error}") from error
    except AddressRefused as error:
        _end(delivery, error)
        COUNTERS.count(DELIVERIES, delivery.channel, "given_up")
        raise DeliveryFailed(f"{delivery.channel} {delivery.pk} was refused for good: {error}") from error


@transaction.atomic
def _claim(delivery_id: str) -> Delivery | None:
    """Return the delivery with its next attempt postponed, or None if it must not be sent now."""
    delivery = (
        Delivery.objects.select_for_update(of=("self",))
        .select_related("event__owner", "endpoint")
        .filter(next_attempt_at__lte=clock.now(), pk=delivery_id, delivered_at=None)
        .first()
    )
    if delivery is None:
        return None
    suspended = not owners().is_active(delivery.event.owner)
    if suspended or (delivery.endpoint_id and not endpoints.take_turn(delivery.endpoint_id)):
        # It has left the queue, and is published again when it is the endpoint's turn, or the person is
        # reinstated.
        Delivery.objects.filter(pk=delivery.pk).update(queued_at=None)
        return None
    _begin_attempt(delivery)
    return delivery


def _begin_attempt(delivery: Delivery) -> None:
    """Count the attempt. The last one is marked as failed beforehand, because the worker may crash."""
    now = clock.now()
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
    now = clock.now()
    _note(delivery, delivered_at=now, failed_at=None, next_attempt_at=None, last_error="")
    delivery.members.update(delivered_at=now, failed_at=None)
    if delivery.endpoint_id:
        endpoints.note_success(delivery.endpoint_id)


@transaction.atomic
def _postpone(delivery: Delivery, error: Exception) -> None:
    given_up = delivery.failed_at is not None
    at = None if given_up else clock.now() + _delay(delivery, error)
    _note(delivery, next_attempt_at=at, last_error=str(error)[:500])
    if isinstance(error, NotTaken):
        endpoints.note_failure(delivery.endpoint_id, error)


@transaction.atomic
def _end(delivery: Delivery, error: AddressRefused) -> None:
    """Give up a delivery whose recipient was refused for good."""
    announce_refused_address(owner=delivery.event.owner, address=error.address, reply=str(error))
    now = clock.now()
    _note(delivery, failed_at=now, next_attempt_at=None, last_error=str(error)[:500])
    delivery.members.update(failed_at=now)


def _note(delivery: Delivery, **outcome: Any) -> None:
    """Save the outcome of an attempt, if the delivery still exists."""
    Delivery.objects.filter(pk=delivery.pk).update(
        **outcome, started_at=None, status_code=delivery.status_code, duration=delivery.duration
    )


def longest_delays() -> dict[Delivery.Channel, timedelta]:
    """Return the longest time until the next attempt, for each channel."""
    return {
        name: timedelta(seconds=max(max(channel.delays) * (1 + channel.jitter), _LONGEST_WISH))
        for name, channel in _CHANNELS.items()
    }


def _delay(delivery: Delivery, error: Exception) -> timedelta:
    """Return the time until the next attempt: as scheduled, or longer if the endpoint asks for it."""
    channel = _CHANNELS[Delivery.Channel(delivery.channel)]
    seconds = channel.delays[delivery.attempts - 1] * SystemRandom().uniform(1, 1 + channel.jitter)
    wish = error.retry_after if isinstance(error, NotTaken) else 0
    return timedelta(seconds=max(seconds, min(wish, _LONGEST_WISH)))
