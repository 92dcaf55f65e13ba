"""Unused uploads: those that a field of a model has received, and to which no row refers any more.

The rows of all installed models count, whatever kind of relation they have. If one of their tables cannot be
read, or if database and storage do not belong together, nothing is removed.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Any

from django.apps import apps
from django.db import DatabaseError, IntegrityError, models, router
from django.db.models import Exists, OuterRef

from processing import clock
from processing.conf import darkroom
from processing.garbage import generations
from processing.garbage.generations import GenerationDiffers
from processing.storages.media import StorageUnavailable
from uploads import services
from uploads.models import Upload, UploadQuerySet

logger = logging.getLogger(__name__)

_BATCH = 500


class OtherDatabase(Exception):
    """A model with a reference to an upload is in another database, so the two cannot be compared."""


def remove_unused() -> bool:
    """Remove the uploads that have been unused for the grace period; return whether none is left to remove.

    Uploads that are newly unused are noted, with the time. Removing them twice, or twice at once, removes
    nothing else.
    """
    if not darkroom().unused_grace:
        return True
    try:
        generations.keep_up()
        _note_unused()
        return _remove_due()
    except (GenerationDiffers, StorageUnavailable, OtherDatabase, DatabaseError) as error:
        logger.warning("No unused upload is removed: %s", error)
        return True


def references() -> list[models.Field[Any, Any]]:
    """Return the columns of the installed models, except Darkroom's own, that refer to an upload."""
    return [
        field
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label != Upload._meta.app_label
        for field in model._meta.local_fields
        if _refers_to_upload(field)
    ]


def _refers_to_upload(field: models.Field[Any, Any]) -> bool:
    related: Any = field.related_model
    return related is not None and related._meta.concrete_model is Upload


def _unused() -> UploadQuerySet:
    """Return the uploads that a field has received, and to which no row and no private link refers.

    An upload that staff have taken down is not among them: removing it would end the takedown.
    """
    unused = Upload.objects.live().filter(made_by_field=True, taken_down_at=None, links=None)
    for field in references():
        if router.db_for_write(field.model) != router.db_for_write(Upload):
            raise OtherDatabase(f"{field} is in another database.")
        # The managers of the model may leave rows out.
        rows: models.QuerySet[Any] = models.QuerySet(field.model).filter(**{field.name: OuterRef("pk")})
        unused = unused.filter(~Exists(rows))
    return unused


def _note_unused() -> None:
    """Note since when uploads are unused, and forget it for those that are used again."""
    unused = _unused()
    unused.filter(unused_since=None).update(unused_since=clock.now())
    noted = Upload.objects.filter(unused_since__isnull=False)
    noted.exclude(pk__in=unused.values("pk")).update(unused_since=None)


def _remove_due() -> bool:
    """Remove due uploads for at most half a task's time limit; return whether none is left."""
    ends_at = monotonic() + darkroom().step_time_limit / 2
    due = _unused().filter(unused_since__lt=clock.now() - timedelta(seconds=darkroom().unused_grace))
    left = due.order_by("pk")
    while keys := list(left.values_list("pk", flat=True)[:_BATCH]):
        for key in keys:
            if monotonic() > ends_at:
                return False
            # A row of a model that is no longer installed refers to it.
            with suppress(IntegrityError):
                services.purge_unused(upload_id=key, unused=due)
        left = due.order_by("pk").filter(pk__gt=keys[-1])
    return True
