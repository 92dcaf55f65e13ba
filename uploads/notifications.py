"""Notices: what a person is told of an event, on the page and by mail."""

import uuid
from collections.abc import Collection

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext, override

from uploads import webhooks
from uploads.models import Delivery, Event, Preferences
from uploads.preferences import email_choice, language_of

# The events that people are told of.
_NOTICED = (Event.Name.READY, Event.Name.FAILED, Event.Name.WEBHOOK_DISABLED)


def create(event: Event) -> None:
    """Make the notices of an event; they are delivered once its transaction has committed."""
    webhooks.create_deliveries(event)
    if event.name not in _NOTICED:
        return
    with override(language_of(event.owner)):
        subject = _subject(event)
    Delivery.objects.create(
        event=event, channel=Delivery.Channel.IN_APP, subject=subject, delivered_at=timezone.now()
    )
    choice = email_choice(event.owner)
    if event.owner.email and choice != Preferences.Email.NONE:
        # A mail without a time is held until the batch is over.
        held = choice == Preferences.Email.DIGEST and event.name in Event.OF_UPLOADS
        at = None if held else timezone.now()
        Delivery.objects.create(
            event=event, channel=Delivery.Channel.EMAIL, subject=subject, next_attempt_at=at
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


def _subject(event: Event) -> str:
    if event.name == Event.Name.WEBHOOK_DISABLED:
        return gettext("The webhook %(url)s is disabled") % {"url": event.data["url"]}
    # A file name may hold a line break, which no subject can.
    filename = " ".join(event.data["filename"].split())
    if event.name == Event.Name.READY:
        return gettext("%(filename)s is ready") % {"filename": filename}
    return gettext("%(filename)s could not be processed") % {"filename": filename}
