"""An announcement records an event and creates its notices in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext, override

from uploads.events import history
from uploads.models import Delivery, Event, Preferences, Upload
from uploads.notices import outbox, webhooks
from uploads.notices.preferences import email_choice, language_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# The events that people are notified of.
_NOTICED = (Event.Name.READY, Event.Name.FAILED, Event.Name.WEBHOOK_DISABLED)


@transaction.atomic(savepoint=False)
def announce(upload: Upload, name: Event.Name, **data: Any) -> Event | None:
    """Record an upload's event with its notices; return None if it is already recorded.

    The notices are delivered after the commit.
    """
    event = history.record(upload, name, **data)
    if event is not None:
        webhooks.create_deliveries(event)
        _tell_owner(event)
    return event


@transaction.atomic(savepoint=False)
def announce_webhook(*, owner: User, name: Event.Name, data: dict[str, str]) -> Event:
    """Record an event of a person's webhook, with its notices."""
    event = history.record_of_webhook(owner=owner, name=name, data=data)
    _tell_owner(event)
    return event


def _tell_owner(event: Event) -> None:
    if event.name not in _NOTICED:
        return
    with override(language_of(event.owner)):
        subject = _subject(event)
    Delivery.objects.create(
        event=event, channel=Delivery.Channel.IN_APP, subject=subject, delivered_at=timezone.now()
    )
    choice = email_choice(event.owner)
    if event.owner.email and choice != Preferences.Email.NONE:
        # An email without a time is held until the batch is over.
        held = choice == Preferences.Email.DIGEST and event.name in Event.OF_UPLOADS
        at = None if held else timezone.now()
        outbox.put(event=event, channel=Delivery.Channel.EMAIL, subject=subject, at=at)


def _subject(event: Event) -> str:
    if event.name == Event.Name.WEBHOOK_DISABLED:
        return gettext("The webhook %(url)s is disabled") % {"url": event.data["url"]}
    # A file name may contain a line break, which a mail subject must not.
    filename = " ".join(event.data["filename"].split())
    if event.name == Event.Name.READY:
        return gettext("%(filename)s is ready") % {"filename": filename}
    return gettext("%(filename)s could not be processed") % {"filename": filename}
