"""Quotas: how many images and bytes a person may keep.

A row for each person holds the usage, updated by the transactions that add, replace and purge uploads.
Summing all uploads would take longer the more a person has. A deleted upload counts until it is purged,
because it can be restored. A replaced file does not count. While an image is stored, a reservation counts
it, so that no refused file reaches the storage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Sum
from django.template.defaultfilters import filesizeformat

from processing import clock
from processing.database.availability import DATABASE_UNAVAILABLE
from processing.errors import Refusal
from uploads.models import Quota, Reservation
from uploads.owners import owners

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# How long the room of a killed process stays reserved. Storing the largest file takes minutes at most.
_RESERVED_FOR = timedelta(hours=1)


class QuotaExceeded(Refusal):
    """The upload would exceed the person's quota."""

    code = "quota_exceeded"
    title = "The quota is used up"
    status = HTTPStatus.INSUFFICIENT_STORAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How many images and bytes a person keeps, and their limits; None means unlimited."""

    images: int
    bytes: int
    max_images: int | None
    max_bytes: int | None


def usage_of(person: User) -> Usage:
    """Return a person's usage and limits."""
    return _usage(Quota.objects.filter(owner=person).first() or Quota(owner=person).count(), person)


def check(*, person: User, byte_size: int) -> None:
    """Raise `QuotaExceeded` if an image of this size would exceed the quota."""
    _verify(usage_of(person), byte_size=byte_size, images=1)


@contextmanager
def reserved(*, person: User, byte_size: int, images: int = 1) -> Iterator[Reservation]:
    """Reserve room for an image while its bytes are stored, and give back what `charge` has not used.

    With `images=0`, reserve the bytes by which the file of an image grows. Raises `QuotaExceeded`.
    """
    room = _reserve(person, byte_size=byte_size, images=images)
    try:
        yield room
    finally:
        # Without the database, the reservation expires.
        with suppress(*DATABASE_UNAVAILABLE):
            Reservation.objects.filter(pk=room.pk).delete()


def charge(*, person: User, byte_size: int, images: int = 1, room: Reservation | None = None) -> None:
    """Count an image in the transaction that adds it, before the row of the upload is created.

    With `images=0`, count the difference of a replaced file, which may be negative. Uses the reservation
    `room`. Without one, the image counts even beyond the quota. Raises `QuotaExceeded` if the reservation has
    expired or is too small, and the quota is full.
    """
    row = _locked(person)
    if room is not None and not (_use(room) and byte_size <= room.byte_size):
        _verify(_usage(row, person), byte_size=byte_size, images=images)
    row.images += images
    row.bytes = max(0, row.bytes + byte_size)
    row.save(update_fields=["images", "bytes"])


def lock(*, person_id: int) -> None:
    """Lock a person's row until the transaction ends."""
    Quota.objects.select_for_update().filter(owner=person_id).exists()


def refund(*, person_id: int, images: int, byte_size: int) -> None:
    """Subtract images in the transaction that purges them; a missing row is counted later."""
    row = Quota.objects.select_for_update().filter(owner=person_id).first()
    if row is not None:
        row.images, row.bytes = max(0, row.images - images), max(0, row.bytes - byte_size)
        row.save(update_fields=["images", "bytes"])


@transaction.atomic
def _reserve(person: User, *, byte_size: int, images: int) -> Reservation:
    """Create a reservation under the lock of the person's row, so that concurrent requests see it."""
    _verify(_usage(_locked(person), person), byte_size=byte_size, images=images)
    return Reservation.objects.create(
        owner=person, byte_size=byte_size, images=images, expires_at=clock.now() + _RESERVED_FOR
    )


def _use(room: Reservation) -> bool:
    """End a reservation, and return whether it was still valid."""
    valid = Reservation.objects.filter(pk=room.pk, expires_at__gt=clock.now())
    return valid.delete()[0] == 1


def _locked(person: User) -> Quota:
    """Return the person's row, locked until the transaction ends. Count a missing one."""
    row = Quota.objects.select_for_update().filter(owner=person).first()
    if row is not None:
        return row
    counted = Quota(owner=person).count()
    Quota.objects.get_or_create(owner=person, defaults={"images": counted.images, "bytes": counted.bytes})
    return Quota.objects.select_for_update().get(owner=person)


def _usage(row: Quota, person: User) -> Usage:
    limits = owners().limits(person)
    reservations = Reservation.objects.filter(owner=row.owner_id, expires_at__gt=clock.now())
    reserved = reservations.aggregate(images=Sum("images"), bytes=Sum("byte_size"))
    return Usage(
        images=row.images + (reserved["images"] or 0),
        bytes=row.bytes + (reserved["bytes"] or 0),
        max_images=_limit(row.max_images, limits.quota_images),
        max_bytes=_limit(row.max_bytes, limits.quota_bytes),
    )


def _verify(usage: Usage, *, byte_size: int, images: int) -> None:
    if not images and byte_size <= 0:
        # The file of an image is replaced by one that is not larger.
        return
    if images and usage.max_images is not None and usage.images >= usage.max_images:
        raise QuotaExceeded(
            "You have {images} of {limit} images. Delete some for good before you upload more.",
            images=usage.images,
            limit=usage.max_images,
        )
    if usage.max_bytes is not None and usage.bytes + byte_size > usage.max_bytes:
        raise QuotaExceeded(
            "Your images use {used} of {limit}. Delete some for good before you upload more.",
            used=filesizeformat(usage.bytes),
            limit=filesizeformat(usage.max_bytes),
        )


def _limit(own: int | None, everybody: int) -> int | None:
    """Return a person's own limit, or else the general one, where 0 means unlimited."""
    return own if own is not None else everybody or None
