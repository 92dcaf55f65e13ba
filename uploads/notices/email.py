"""Emails about events: one for each, or a digest when a batch is over.

An email for a digest is held: its `next_attempt_at` is empty. When the batch is over, the oldest held email
of the person becomes the head of the digest, and only the head is sent. The members of a digest never change
afterwards, so a repeated attempt sends the same email.
"""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet
from django.template.loader import render_to_string
from django.utils.translation import gettext, ngettext

from processing import clock
from processing.conf import darkroom
from uploads.models import Delivery, Event, Preferences, Upload
from uploads.notices import mailbox, smtp_replies
from uploads.notices.preferences import email_choice
from uploads.owners import owner_model, owners

# Errors of a mail server that is unavailable, busy or slow.
MAIL_ERRORS = (smtplib.SMTPException, OSError)
# A batch is over when its owner's uploads are finished and no email was added for this long.
_QUIET = timedelta(seconds=10)
# A batch that does not end, because an upload is stuck or more keep coming, is sent after this long.
_LONGEST = timedelta(hours=1)
# The number of images that one email lists.
_LISTED = 100


def gather() -> int:
    """Close every batch that is over, so that its digest is due; return the number of emails in them."""
    return sum(_gather(owner_id) for owner_id in _whose_batch_is_over())


def send(delivery: Delivery) -> None:
    """Send the email of a delivery, with its whole digest.

    Raises `NoAddress`, `AddressRefused` and the mail server's other errors.
    """
    members = list(delivery.members.select_related("event").order_by("created_at", "pk"))
    address = mailbox.address_for(delivery.event.owner)
    if not address:
        raise mailbox.NoAddress("The person has no verified email address, or its mail server refuses it.")
    subject, body = _digest(members) if len(members) > 1 else _single(delivery)
    # The id is derived from the delivery, so that mail clients recognise a repeat.
    headers = {"Message-ID": f"<{delivery.pk}@{urlsplit(darkroom().site_url).hostname}>"}
    try:
        EmailMessage(subject, body, to=[address], headers=headers).send()
    except MAIL_ERRORS as error:
        if reply := smtp_replies.refusal(error):
            raise mailbox.AddressRefused(reply, address=address) from error
        raise


def held() -> QuerySet[Delivery]:
    """Return the emails that wait for their digest."""
    return Delivery.objects.filter(next_attempt_at=None, delivered_at=None, failed_at=None, digest=None)


def _whose_batch_is_over() -> list[int]:
    now = clock.now()
    # A digest does not wait for bulk work, which may take hours.
    unfinished = Upload.objects.filter(
        owner=OuterRef("event__owner"), status__in=Upload.UNFINISHED, bulk=False, deleted_at=None
    )
    batches = (
        held()
        .filter(owners().active("event__owner"))
        .order_by()
        .values("event__owner")
        .annotate(first=Min("created_at"), last=Max("created_at"))
    )
    over = batches.filter(Q(first__lte=now - _LONGEST) | (Q(last__lte=now - _QUIET) & ~Exists(unfinished)))
    return list(over.values_list("event__owner", flat=True))


@transaction.atomic
def _gather(owner_id: int) -> int:
    """Give all held emails of an owner one head, and make it due; a second sweep finds none.

    Emails stay held while the recipient's daily limit is reached, or without a recipient. Return the number
    that are no longer held.
    """
    owner = owner_model().objects.select_for_update(no_key=True).filter(pk=owner_id).first()
    person = owners().recipient(owner) if owner else None
    if person is None:
        return 0
    batch = list(held().filter(event__owner=owner_id).order_by("created_at", "pk"))
    members = Delivery.objects.filter(pk__in=[delivery.pk for delivery in batch])
    if email_choice(person) == Preferences.Email.NONE:
        members.delete()
        return len(batch)
    if not batch or not mailbox.take_one(person):
        return 0
    members.update(digest=batch[0])
    Delivery.objects.filter(pk=batch[0].pk).update(next_attempt_at=clock.now())
    return len(batch)


def _single(delivery: Delivery) -> tuple[str, str]:
    context = {"event": delivery.event, "subject": delivery.subject, "site_url": darkroom().site_url}
    return _single_subject(delivery.event), render_to_string("uploads/mail/notice.txt", context)


def _single_subject(event: Event) -> str:
    """Return a subject without any text that a person has chosen, such as a file name or a URL."""
    if event.name == Event.Name.PASSWORD_CHANGED:
        return gettext("Your password was changed")
    if event.name == Event.Name.WEBHOOK_DISABLED:
        return gettext("A webhook is disabled")
    failed = event.name == Event.Name.FAILED
    return _digest_subject(ready=int(not failed), failed=int(failed))


def _digest(members: Sequence[Delivery]) -> tuple[str, str]:
    failed = [member for member in members if member.event.name == Event.Name.FAILED]
    ready = [member for member in members if member.event.name != Event.Name.FAILED]
    subject = _digest_subject(ready=len(ready), failed=len(failed))
    context = {
        "subject": subject,
        # Failures first, because they need action.
        "listed": [*failed, *ready][:_LISTED],
        "more": max(len(members) - _LISTED, 0),
        "site_url": darkroom().site_url,
    }
    return subject, render_to_string("uploads/mail/digest.txt", context)


def _digest_subject(*, ready: int, failed: int) -> str:
    words = []
    if ready:
        words.append(ngettext("%d image is ready", "%d images are ready", ready) % ready)
    if failed:
        words.append(
            ngettext("%d image could not be processed", "%d images could not be processed", failed) % failed
        )
    return ", ".join(words)
