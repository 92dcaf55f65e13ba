"""Quotas: how many images and bytes a person may keep.

A row for each person holds the usage, updated by the transactions that add and delete uploads. Summing all
uploads would take longer the more a person has.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.template.defaultfilters import filesizeformat

from processing.conf import darkroom
from processing.errors import Refusal
from uploads.models import Quota

if TYPE_CHECKING:
    from django.contrib.auth.models import User


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
    return _usage(Quota.objects.filter(owner=person).first() or Quota(owner=person).count())


def check(*, person: User, byte_size: int) -> None:
    """Raise `QuotaExceeded` if an image of this size would exceed the quota."""
    _verify(usage_of(person), byte_size)


def charge(*, person: User, byte_size: int, within: bool = True) -> None:
    """Count an image in the transaction that adds it, before the row of the upload is created.

    Locks the person's row until the transaction ends, so that concurrent requests cannot exceed the quota.
    Raises `QuotaExceeded`, unless `within` is False.
    """
    row = _locked(person)
    if row is None:
        counted = Quota(owner=person).count()
        Quota.objects.get_or_create(owner=person, defaults={"images": counted.images, "bytes": counted.bytes})
        row = Quota.objects.select_for_update().get(owner=person)
    if within:
        _verify(_usage(row), byte_size)
    row.images += 1
    row.bytes += byte_size
    row.save(update_fields=["images", "bytes"])


def refund(*, person: User, byte_size: int) -> None:
    """Subtract an image in the transaction that deletes it; a missing row is counted later."""
    row = _locked(person)
    if row is not None:
        row.images, row.bytes = max(0, row.images - 1), max(0, row.bytes - byte_size)
        row.save(update_fields=["images", "bytes"])


def _locked(person: User) -> Quota | None:
    return Quota.objects.select_for_update().filter(owner=person).first()


def _usage(row: Quota) -> Usage:
    return Usage(
        images=row.images,
        bytes=row.bytes,
        max_images=_limit(row.max_images, darkroom().quota_images),
        max_bytes=_limit(row.max_bytes, darkroom().quota_bytes),
    )


def _verify(usage: Usage, byte_size: int) -> None:
    if usage.max_images is not None and usage.images >= usage.max_images:
        raise QuotaExceeded(
            "You have {images} of {limit} images. Delete some before you upload more.",
            images=usage.images,
            limit=usage.max_images,
        )
    if usage.max_bytes is not None and usage.bytes + byte_size > usage.max_bytes:
        raise QuotaExceeded(
            "Your images use {used} of {limit}. Delete some before you upload more.",
            used=filesizeformat(usage.bytes),
            limit=filesizeformat(usage.max_bytes),
        )


def _limit(own: int | None, everybody: int) -> int | None:
    """Return a person's own limit, or else the general one, where 0 means unlimited."""
    return own if own is not None else everybody or None
