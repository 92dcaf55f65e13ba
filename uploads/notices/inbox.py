"""The inbox: the notices that a person sees on the page and in the API."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import TYPE_CHECKING

from django.db.models import QuerySet

from processing import clock
from uploads.models import Delivery

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def inbox(person: User) -> QuerySet[Delivery]:
    """Return a person's in-app notices, newest first."""
    return Delivery.objects.filter(event__owner=person, channel=Delivery.Channel.IN_APP).select_related(
        "event"
    )


def unread_count(person: User) -> int:
    """Return the number of a person's unread notices."""
    return inbox(person).filter(read_at=None).count()


def mark_read(*, person: User, ids: Collection[uuid.UUID] | None = None) -> None:
    """Mark a person's unread notices as read, by default all of them."""
    unread = inbox(person).filter(read_at=None)
    if ids is not None:
        unread = unread.filter(pk__in=ids)
    unread.update(read_at=clock.now())
