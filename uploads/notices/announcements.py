"""An announcement records an event and creates its notices in one transaction."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext, override

from processing import clock
from uploads.events import history, wakeups
from uploads.models import Delivery, Event, Preferences, Upload
from uploads.notices import mailbox, outbox, webhooks
from uploads.notices.preferences import email_choice, language_for
from uploads.owners import owners

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# The events that people are notified of.
_NOTICED = (
    Event.Name.READY, Event.Name.FAILED, Event.Name.TAKEN_DOWN, Event.Name.WEBHOOK_DISABLED,
    Event.Name.PASSWORD_CHANGED, Event.Name.EMAIL_REFUSED,
)  # fmt: skip
_NOT_EMAILED = (Event.Name.TAKEN_DOWN, Event.Name.EMAIL_REFUSED)
# The events of a quiet upload that have no notices.
_OF_PROCESSING = (
    Event.Name.RECEIVED, Event.Name.THUMBNAILS_READY, Event.Name.READY, Event.Name.FAILED,
)  # fmt: skip


@transaction.atomic(savepoint=False)
def announce(upload: Upload, name: Event.Name, **data: Any) -> Event | None:
    """Record an upload's event with its notices; return None if it is already recorded.

    The notices are delivered after the commit.
    """
    event = history.record(upload, name, **data)
    if event is not None and not (upload.quiet and name in _OF_PROCESSING):
        webhooks.create_deliveries(event)
        _tell_owner(event)
    return event


@transaction.atomic(savepoint=False)
def announce_webhook(*, owner: User, name: Event.Name, data: dict[str, str]) -> Event:
    """Record an event of a person's webhook, with its notices."""
    event = history.record_of_account(owner=owner, name=name, data=data)
    _tell_owner(event)
    return event


@transaction.atomic(savepoint=False)
def announce_password(*, owner: User) -> Event:
    """Record that a person's password was changed, with its notices. It ends the person's event streams."""
    event = history.record_of_account(owner=owner, name=Event.Name.PASSWORD_CHANGED, data={})
    _tell_owner(event)
    return event


@transaction.atomic
def announce_refused_address(*, owner: User, address: str, reply: str) -> None:
    """Note an address that its mail server refused for good, and tell the owner on the page."""
    # Other transactions lock the owner first, too.
    history.keep_order([owner.pk])
    person = owners().recipient(owner)
    if person and mailbox.note_refusal(person=person, address=address, reply=reply):
        data = {"email": address, "detail": reply}
        _tell_owner(history.record_of_account(owner=owner, name=Event.Name.EMAIL_REFUSED, data=data))


def end_streams(owner_id: int) -> None:
    """Wake the event streams of a deleted person after the commit. They end, because the person is gone."""
    transaction.on_commit(partial(wakeups.tell, owner_id))


def _tell_owner(event: Event) -> None:
    if event.name not in _NOTICED:
        return
    with override(language_for(event.owner)):
        subject = _subject(event)
    Delivery.objects.create(
        event=event, channel=Delivery.Channel.IN_APP, subject=subject, delivered_at=clock.now()
    )
    person = owners().recipient(event.owner)
    if person is None:
        return
    if event.name == Event.Name.PASSWORD_CHANGED and person.email:
        # Ignore the choice: an intruder may have chosen `none`. Until the address is verified, retry.
        outbox.put(event=event, channel=Delivery.Channel.EMAIL, subject=subject, at=clock.now())
    # A digest counts only ready and failed images, so a takedown is not emailed.
    elif event.name not in _NOT_EMAILED and mailbox.address_of(person):
        _email(person, event, subject)


def _email(person: User, event: Event, subject: str) -> None:
    """Create an email: at once, or without a time if it is held for the next digest.

    Above the daily limit, an email about an upload is held, and one about a webhook is not created.
    """
    choice, of_upload = email_choice(person), event.name in Event.OF_UPLOADS
    if choice == Preferences.Email.NONE:
        return
    held = of_upload and choice == Preferences.Email.DIGEST
    at = clock.now() if not held and mailbox.take_one(person) else None
    if at or of_upload:
        outbox.put(event=event, channel=Delivery.Channel.EMAIL, subject=subject, at=at)


def _subject(event: Event) -> str:
    if event.name == Event.Name.WEBHOOK_DISABLED:
        return gettext("The webhook %(url)s is disabled") % {"url": event.data["url"]}
    if event.name == Event.Name.PASSWORD_CHANGED:
        return gettext("Your password was changed: all API tokens are revoked and all webhooks are disabled")
    if event.name == Event.Name.EMAIL_REFUSED:
        return gettext(
            "The mail server of %(address)s refuses emails. Verify the address again, or change it."
        ) % {"address": event.data["email"]}
    # A file name may contain a line break, which would look like a further notice.
    filename = " ".join(event.data["filename"].split())
    if event.name == Event.Name.TAKEN_DOWN:
        reason = " ".join(event.data["reason"].split())
        return gettext("%(filename)s was taken down: %(reason)s") % {"filename": filename, "reason": reason}
    if event.name == Event.Name.READY:
        return gettext("%(filename)s is ready") % {"filename": filename}
    return gettext("%(filename)s could not be processed") % {"filename": filename}
