"""The history of uploads: each event is recorded in the transaction that makes it true."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Max, QuerySet

from processing import clock
from uploads.events import wakeups
from uploads.models import Event, Step, Upload
from uploads.owners import owner_model

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# The names of all events.
NAMES = tuple(name.value for name in Event.Name)


def after(*, owner_id: int, event_id: int) -> QuerySet[Event]:
    """Return a person's events after this one, in order."""
    return Event.objects.filter(owner=owner_id, pk__gt=event_id).order_by("pk")


def newest(*, owner_id: int) -> int:
    """Return the id of a person's newest event, or 0 if there is none."""
    return Event.objects.filter(owner=owner_id).aggregate(newest=Max("pk"))["newest"] or 0


@transaction.atomic(savepoint=False)
def record(upload: Upload, name: Event.Name, **data: Any) -> Event | None:
    """Record an event; return None if it is already recorded for this version of the upload.

    Events that may repeat are recorded each time.
    """
    keep_order([upload.owner_id])
    data = {"id": str(upload.pk), "filename": upload.filename, **data}
    key = {"upload": upload, "version": upload.version, "name": name}
    fields = {"owner_id": upload.owner_id, "data": data}
    if name in Event.REPEATED:
        event, created = Event.objects.create(**key, **fields), True
    else:
        event, created = Event.objects.get_or_create(**key, defaults=fields)
    if not created:
        return None
    _tell(event)
    return event


@transaction.atomic(savepoint=False)
def record_of_account(*, owner: User, name: Event.Name, data: dict[str, str]) -> Event:
    """Record an event of a person's webhook or password."""
    keep_order([owner.pk])
    event = Event.objects.create(owner=owner, name=name, data=data)
    _tell(event)
    return event


def begin_step(uploads: list[Upload], name: str) -> None:
    """Record that a step has started for these uploads; a repeated start replaces the first."""
    Step.objects.bulk_create(
        [Step(upload=upload, name=name, started_at=clock.now()) for upload in uploads],
        update_conflicts=True,
        unique_fields=["upload", "name"],
        update_fields=["started_at", "finished_at"],
    )


def end_step(uploads: list[Upload], name: str) -> None:
    """Record that a step has finished for these uploads."""
    Step.objects.filter(upload__in=uploads, name=name).update(finished_at=clock.now())


def keep_order(owner_ids: Iterable[int]) -> None:
    """Lock these owners, so that no other transaction records events for them until this one ends.

    The database assigns ids before the commit. Without the lock, an event could be committed after one with a
    higher id, and a stream would miss it. The order of the locks avoids deadlocks.
    """
    rows = owner_model().objects.filter(pk__in=set(owner_ids))
    list(rows.select_for_update(no_key=True).order_by("pk").values_list("pk"))


def _tell(event: Event) -> None:
    transaction.on_commit(partial(wakeups.tell, event.owner_id))
