"""Retention: what ends after a time, so that the database does not grow for ever.

- In-app notices end after `NOTICE_AGE`.
- Emails, digests and webhooks end after `DELIVERY_AGE`, including those that wait for a disabled endpoint, a
  daily limit or a suspended person.
- Events of purged uploads, of webhooks and of accounts end after `EVENT_AGE`, when no notice or delivery of
  theirs is left.
- Repeatable events of an upload, such as `upload.reprocessed`, end likewise, except the last of each name.
- Verdicts of hooks that passed an original end with the original. Those that refused it stay, so that the
  same bytes are refused at once.
- Tokens end when they have been expired for `EVENT_AGE`. Until then, programs learn why they are refused.
- All other events of an upload stay as long as the upload, because its page shows them.
- Sessions end when they expire, or when their person is deleted.

Each function removes rows in batches until its time is up, and returns whether it has finished. Running it
twice, or twice at once, removes nothing else.
"""

from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session
from django.db.models import Exists, F, OuterRef, QuerySet

from processing import clock
from processing.conf import darkroom
from processing.models import Original
from uploads.models import Delivery, Event, Token, Verdict

_BATCH = 500
# Seconds after which the verdict on an original that does not exist counts as unused.
_UNUSED = 24 * 3600
_SENT = (Delivery.Channel.EMAIL, Delivery.Channel.WEBHOOK)


def end_records() -> bool:
    """End old notices, deliveries and events; return whether none is left to end.

    Deliveries end first, because an event ends after its deliveries. Each kind has a share of a task's time
    limit.
    """
    kinds = (_end_notices, _end_digests, _end_sent, _end_lost, _end_repeated, _end_verdicts, _end_tokens)
    finished = [end(_ends_at(share=10)) for end in kinds]
    return all(finished)


def end_sessions() -> bool:
    """End expired sessions, and those of deleted people; return whether no expired one is left."""
    expired = Session.objects.filter(expire_date__lt=clock.now())
    finished = _remove(expired, by="expire_date", ends_at=_ends_at(share=4))
    _end_sessions_of_deleted_people(_ends_at(share=4))
    return finished


def _end_notices(ends_at: float) -> bool:
    old = Delivery.objects.filter(channel=Delivery.Channel.IN_APP, created_at__lt=_ago(darkroom().notice_age))
    return _remove(old, by="created_at", ends_at=ends_at)


def _end_digests(ends_at: float) -> bool:
    """End the members of old digests. They end before their head, so that batches stay small."""
    old = _ago(darkroom().delivery_age)
    members = Delivery.objects.filter(digest__channel=Delivery.Channel.EMAIL, digest__created_at__lt=old)
    return _remove(members.exclude(pk=F("digest")), by="created_at", ends_at=ends_at)


def _end_sent(ends_at: float) -> bool:
    old = Delivery.objects.filter(channel__in=_SENT, created_at__lt=_ago(darkroom().delivery_age))
    members = Delivery.objects.filter(digest=OuterRef("pk")).exclude(pk=OuterRef("pk"))
    return _remove(old.filter(~Exists(members)), by="created_at", ends_at=ends_at)


def _end_lost(ends_at: float) -> bool:
    """End the events that no page shows: of purged uploads, of webhooks and of accounts."""
    old = Event.objects.filter(upload=None, created_at__lt=_ago(darkroom().event_age))
    return _remove(_without_deliveries(old), by="created_at", ends_at=ends_at)


def _end_repeated(ends_at: float) -> bool:
    """End the repeatable events of uploads, except the last of each name."""
    old = Event.objects.filter(
        upload__isnull=False, name__in=Event.REPEATED, created_at__lt=_ago(darkroom().event_age)
    )
    later = Event.objects.filter(upload=OuterRef("upload"), name=OuterRef("name"), pk__gt=OuterRef("pk"))
    return _remove(_without_deliveries(old.filter(Exists(later))), by="created_at", ends_at=ends_at)


def _end_verdicts(ends_at: float) -> bool:
    original = Original.objects.filter(content_hash=OuterRef("content_hash"))
    unused = Verdict.objects.filter(~Exists(original), passed=True, decided_at__lt=_ago(_UNUSED))
    return _remove(unused, by="content_hash", ends_at=ends_at)


def _end_tokens(ends_at: float) -> bool:
    expired = Token.objects.filter(expires_at__lt=_ago(darkroom().event_age))
    return _remove(expired, by="expires_at", ends_at=ends_at)


def _without_deliveries(events: QuerySet[Event]) -> QuerySet[Event]:
    return events.filter(~Exists(Delivery.objects.filter(event=OuterRef("pk"))))


def _end_sessions_of_deleted_people(ends_at: float) -> None:
    """End the sessions that name a person who is gone: they give no access.

    All have to be read, because their content is encoded. Those that are not reached in time expire.
    """
    left = Session.objects.order_by("pk")
    while monotonic() < ends_at and (batch := list(left[:_BATCH])):
        named = {one.pk: one.get_decoded().get(SESSION_KEY) for one in batch}
        people = get_user_model().objects.filter(pk__in={pk for pk in named.values() if pk is not None})
        live = {None, *map(str, people.values_list("pk", flat=True))}
        Session.objects.filter(pk__in=[key for key, pk in named.items() if pk not in live]).delete()
        left = Session.objects.order_by("pk").filter(pk__gt=batch[-1].pk)


def _remove(rows: QuerySet[Any], *, by: str, ends_at: float) -> bool:
    """Delete rows in batches, in the order of an index; return whether none was left before `ends_at`."""
    left = rows.order_by(by)
    while batch := list(left.values_list("pk", by)[:_BATCH]):
        rows.model.objects.filter(pk__in=[pk for pk, _at in batch]).delete()
        if monotonic() > ends_at:
            return False
        # The rows before it stay, and need not be read again.
        left = rows.filter(**{f"{by}__gte": batch[-1][1]}).order_by(by)
    return True


def _ago(seconds: float) -> datetime:
    return clock.now() - timedelta(seconds=seconds)


def _ends_at(*, share: int) -> float:
    return monotonic() + darkroom().step_time_limit / share
