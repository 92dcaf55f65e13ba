"""The collector purges deleted uploads, and removes unused originals, expired links and garbage."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet

from processing import clock, conf, originals, pixel_cache, renditions
from processing.conf import darkroom
from processing.garbage import generations, pending_files
from processing.garbage.generations import GenerationDiffers
from processing.models import Focus, Lease, Original, Rendition
from processing.presets import AUTOMATIC
from processing.storages.media import StorageUnavailable
from processing.storages.stale_files import remove_older
from uploads import services
from uploads.models import FormerFile, PrivateLink, Reservation, Upload

logger = logging.getLogger(__name__)

# Seconds after which a partially received file counts as left by a crash.
_INCOMING_AGE = 24 * 3600
# The rows that one transaction or query handles.
_BATCH = 500


def collect() -> int:
    """Purge deleted uploads after the grace period, and remove expired private links and unused originals.

    Returns the number of removed originals. Purges no upload and removes no original unless database and
    storage belong together.
    """
    _idle_leases().delete()
    PrivateLink.objects.filter(expires_at__lte=clock.now()).delete()
    Reservation.objects.filter(expires_at__lte=clock.now()).delete()
    _remove_interrupted()
    pixel_cache.remove_old()
    try:
        generations.keep_up()
        removed = _purge_all()
        pending_files.remove_due()
    except (GenerationDiffers, StorageUnavailable) as error:
        logger.warning("The collector stopped: %s", error)
        return 0
    return removed


def _purge_all() -> int:
    grace = clock.now() - timedelta(seconds=darkroom().delete_grace)
    _purge(grace)
    FormerFile.objects.filter(expires_at__lte=clock.now()).delete()
    _drop_focuses()
    return _remove_originals(grace)


def _remove_interrupted() -> None:
    """Remove files that a killed web process was receiving, if there is a dedicated folder for them."""
    folder: Path | None = settings.FILE_UPLOAD_TEMP_DIR
    if folder is not None:
        try:
            remove_older(Path(folder), seconds=_INCOMING_AGE)
        except OSError as error:
            logger.warning("The folder of incoming files cannot be read: %s", error)


def _purge(grace: datetime) -> None:
    """Purge the uploads that were deleted before `grace`. One that another app's row needs stays."""
    for ids in _batches(Upload.objects.filter(deleted_at__lt=grace)):
        try:
            services.purge_deleted(ids=ids, before=grace)
        except IntegrityError:
            for one in ids:
                with suppress(IntegrityError):
                    services.purge_deleted(ids=[one], before=grace)


def _remove_originals(grace: datetime) -> int:
    """Remove unused originals, and return how many. One that another app's row needs stays."""
    removed = 0
    for ids in _batches(Original.objects.filter(uploads=None, former_files=None, created_at__lt=grace)):
        for one in ids:
            with suppress(IntegrityError):
                removed += originals.remove(original_id=one)
    return removed


def _batches(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    """Yield the keys of rows in batches, for at most half a task's time limit.

    Each key comes once, so rows that cannot be removed do not hold up the others.
    """
    ends_at = monotonic() + darkroom().step_time_limit / 2
    left = rows.order_by("pk")
    while monotonic() < ends_at and (keys := list(left.values_list("pk", flat=True)[:_BATCH])):
        yield keys
        left = rows.order_by("pk").filter(pk__gt=keys[-1])


def _idle_leases() -> QuerySet[Lease]:
    """Return the unheld leases of originals without unfinished uploads.

    A slow worker can finish a step after its lease has expired. If the worker that took over then dies, its
    lease remains.
    """
    waiting = Upload.objects.filter(
        original=OuterRef("original"), status__in=Upload.UNFINISHED, deleted_at=None
    )
    return Lease.objects.filter(~Exists(waiting)).exclude(expires_at__gt=clock.now())


def _drop_focuses() -> None:
    """Delete unused focal points, and the renditions of deleted points.

    Originals with unfinished uploads are skipped: their renditions stay until they are replaced.
    """
    for ids in _batches(_with_unwanted_focuses()):
        for original_id in ids:
            with transaction.atomic():
                original = Original.objects.select_for_update().filter(pk=original_id).first()
                if original is not None:
                    _unnamed_focuses().filter(original=original).delete()
                    renditions.drop_unwanted(original, conf.presets())


def _unnamed_focuses() -> QuerySet[Focus]:
    # Points of deleted uploads stay until these are purged, because they may be restored. Those of replaced
    # files stay until their permanent URLs end.
    return Focus.objects.filter(uploads=None, former_files=None)


def _with_unwanted_focuses() -> QuerySet[Original]:
    """Return the originals with focal points or renditions to delete."""
    wanted = Focus.objects.filter(original=OuterRef("original"), point=OuterRef("focus"))
    orphans = Rendition.objects.exclude(focus=AUTOMATIC).filter(~Exists(wanted))
    waiting = Upload.objects.filter(original=OuterRef("pk"), status__in=Upload.UNFINISHED, deleted_at=None)
    found = {
        *_unnamed_focuses().values_list("original", flat=True),
        *orphans.values_list("original", flat=True),
    }
    return Original.objects.filter(~Exists(waiting), pk__in=found)
