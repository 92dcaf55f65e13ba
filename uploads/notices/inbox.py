"""The inbox: the notices that a person sees on the page and in the API."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django.utils import timezone

from uploads.models import Delivery

if TYPE_CHECKING:
    from django.contrib.auth.models import User


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
