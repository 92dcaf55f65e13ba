"""The nightly figures: the size of the storage, and a sample of the audit, one row for each night."""

import logging
import secrets
from datetime import timedelta
from time import monotonic
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from processing import clock
from processing.conf import darkroom
from processing.fingerprint import original_key
from processing.models import Original, Rendition, StorageState
from uploads.models import NightlyFigures, Upload
from uploads.upkeep.audit import stored_digest

logger = logging.getLogger(__name__)

# A year, and the days by which its nights may shift.
_KEPT = timedelta(days=400)
# The number of keys that a night's row names.
_NAMED = 50


def take() -> None:
    """Record the figures of this night; a second run replaces them."""
    state = StorageState.objects.filter(pk=1).first()
    _save(
        images=Upload.objects.live().count(),
        bytes_of_originals=_bytes(Original),
        bytes_of_renditions=_bytes(Rendition),
        unknown_files=state.unknown_files if state else 0,
        lost_originals=Original.objects.filter(suspect=True).count(),
    )
    NightlyFigures.objects.filter(day__lt=timezone.localdate(clock.now()) - _KEPT).delete()


def check_sample() -> None:
    """Read some stored files again, and record those that are missing or damaged. Nothing is deleted.

    The sample has `AUDIT_SAMPLE` originals with their renditions, and ends early when a share of a task's
    time is over. Raises `StorageUnavailable`.
    """
    ends_at = monotonic() + darkroom().step_time_limit / 2
    sampled, broken = 0, []
    for original in _sample():
        for key, digest in _files(original):
            if monotonic() > ends_at:
                break
            sampled += 1
            # A file may have been replaced or deleted since its row was read.
            if stored_digest(key) != digest and _is_named(key, digest) and stored_digest(key) != digest:
                broken.append(key)
    if broken:
        logger.error(
            "The nightly sample found %d missing or damaged files, such as %s. Run `manage.py audit`.",
            len(broken),
            broken[0],
        )
    _save(sampled=sampled, broken=broken[:_NAMED])


def _sample() -> list[Original]:
    """Return originals from a random hash on. Hashes are evenly distributed, and their index is sorted."""
    size = darkroom().audit_sample
    start = secrets.token_hex(32)
    ordered = Original.objects.order_by("content_hash").prefetch_related("renditions")
    found = list(ordered.filter(content_hash__gte=start)[:size])
    return found + list(ordered.filter(content_hash__lt=start)[: size - len(found)])


def _files(original: Original) -> list[tuple[str, str]]:
    renditions = [(row.key, row.digest) for row in original.renditions.all()]
    return [(original_key(original.content_hash), original.content_hash), *renditions]


def _is_named(key: str, digest: str) -> bool:
    """Return whether a row still names a file with this hash."""
    if key.startswith("originals/"):
        return Original.objects.filter(content_hash=digest).exists()
    return Rendition.objects.filter(key=key, digest=digest).exists()


def _bytes(model: type[Original | Rendition]) -> int:
    return model.objects.aggregate(bytes=Sum("byte_size"))["bytes"] or 0


def _save(**figures: Any) -> None:
    day = timezone.localdate(clock.now())
    NightlyFigures.objects.update_or_create(day=day, defaults=figures)
