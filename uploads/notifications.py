"""Notices: rows made with the event they tell of, delivered at least once under a stable id."""

import smtplib
import uuid
from collections.abc import Callable, Collection
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext

from processing.errors import TransientError
from uploads.models import Delivery, Event

# The events that people are told of.
_NOTICED = (Event.Name.READY, Event.Name.FAILED)
_FIRST_DELAY, _LONGEST_DELAY = 10, 3600
# Seconds after which an attempt that has not come back is taken for dead; a mail takes ten at most.
_ATTEMPT_TIME = 60
# Seconds after which a published delivery that nobody took up is taken for lost: while others wait in
# its queue, and when that is empty.
_QUEUE_TIME, _DRAINED_TIME = 300, 5


class DeliveryFailed(TransientError):
    """The other side did not take the notice; it is tried again later."""


def create(event: Event) -> None:
    """Make the notices of an event, and deliver them once its transaction has committed."""
    if event.name not in _NOTICED:
        return
    subject = _subject(event)
    Delivery.objects.create(
        event=event, channel=Delivery.Channel.IN_APP, subject=subject, delivered_at=timezone.now()
    )
    if event.owner.email:
        Delivery.objects.create(
            event=event, channel=Delivery.Channel.EMAIL, subject=subject, next_attempt_at=timezone.now()
        )


def inbox(person: User) -> QuerySet[Delivery]:
    """Return the notices that a person sees on the page and in the API, newest first."""
    return Delivery.objects.filter(event__owner=person, channel=Delivery.Channel.IN_APP).select_related(
        "event"
    )


def unread_count(person: User) -> int:
    """Return how many notices a person has not read."""
    return inbox(person).filter(read_at=None).count()


def mark_read(*, person: User, ids: Collection[uuid.UUID] | None = None) -> None:
    """Note that a person has read notices, all of them by default; who reads again changes nothing."""
    unread = inbox(person).filter(read_at=None)
    if ids is not None:
        unread = unread.filter(pk__in=ids)
    unread.update(read_at=timezone.now())


def due(*, drained: bool = False) -> QuerySet[Delivery]:
    """Return the deliveries whose time has come and that are not in the queue already.

    `drained` tells that the queue is empty.
    """
    now = timezone.now()
    lost = now - timedelta(seconds=_DRAINED_TIME if drained else _QUEUE_TIME)
    not_queued = Q(queued_at=None) | Q(queued_at__lt=F("next_attempt_at")) | Q(queued_at__lt=lost)
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
        _CHANNELS[delivery.channel](delivery)
    except (smtplib.SMTPException, OSError) as error:
        _postpone(delivery, error)
        raise DeliveryFailed(f"{delivery} was not taken: {error}") from error
    Delivery.objects.filter(pk=delivery.pk).update(
        delivered_at=timezone.now(), next_attempt_at=None, last_error=""
    )


def _claim(delivery_id: str) -> Delivery | None:
    """Return the delivery with its next attempt moved past this one, or None where nothing is due."""
    now = timezone.now()
    with transaction.atomic():
        delivery = (
            Delivery.objects.select_for_update(of=("self",))
            .select_related("event__owner", "event__upload")
            .filter(Q(next_attempt_at__lte=now), pk=delivery_id, delivered_at=None)
            .first()
        )
        if delivery is not None:
            delivery.attempts += 1
            delivery.next_attempt_at = now + timedelta(seconds=_ATTEMPT_TIME)
            delivery.save(update_fields=["attempts", "next_attempt_at"])
    return delivery


def _postpone(delivery: Delivery, error: Exception) -> None:
    delay = min(_FIRST_DELAY * 2 ** (delivery.attempts - 1), _LONGEST_DELAY)
    Delivery.objects.filter(pk=delivery.pk).update(
        next_attempt_at=timezone.now() + timedelta(seconds=delay), last_error=str(error)[:500]
    )


def _subject(event: Event) -> str:
    # A file name may hold a line break, which no subject can.
    filename = " ".join(event.data["filename"].split())
    if event.name == Event.Name.READY:
        return gettext("%(filename)s is ready") % {"filename": filename}
    return gettext("%(filename)s could not be processed") % {"filename": filename}


def _send_email(delivery: Delivery) -> None:
    event = delivery.event
    context = {"event": event, "subject": delivery.subject, "site_url": settings.SITE_URL}
    body = render_to_string("uploads/mail/notice.txt", context)
    headers = {"Message-ID": f"<{delivery.pk}@darkroom>"}
    EmailMessage(delivery.subject, body, to=[event.owner.email], headers=headers).send()


_CHANNELS: dict[str, Callable[[Delivery], None]] = {Delivery.Channel.EMAIL: _send_email}
