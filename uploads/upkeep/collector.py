"""The collector purges deleted uploads, and removes unused originals, expired links and garbage."""

import logging
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from processing import conf, originals, pixel_cache, renditions
from processing.conf import darkroom
from processing.garbage import generations, pending_files
from processing.garbage.generations import GenerationDiffers
from processing.models import Focus, Lease, Original, Rendition
from processing.presets import AUTOMATIC
from processing.stale_files import remove_older
from processing.storages.media import StorageUnavailable
from uploads.models import PrivateLink, Upload

logger = logging.getLogger(__name__)

# Seconds after which a partially received file counts as left by a crash.
_INCOMING_AGE = 24 * 3600


def collect() -> int:
    """Purge deleted uploads after the grace period, and remove expired private links and unused originals.

    Returns the number of removed originals. Purges no upload and removes no original unless database and
    storage belong together.
    """
    _idle_leases().delete()
    PrivateLink.objects.filter(expires_at__lte=timezone.now()).delete()
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
    grace = timezone.now() - timedelta(seconds=darkroom().delete_grace)
    _purge(grace)
    _drop_focuses()
    unused = list(_unused_originals().filter(created_at__lt=grace).values_list("pk", flat=True)[:500])
    return sum(originals.remove(original_id=pk) for pk in unused)


def _remove_interrupted() -> None:
    """Remove files that a killed web process was receiving, if there is a dedicated folder for them."""
    folder: Path | None = settings.FILE_UPLOAD_TEMP_DIR
    if folder is not None:
        remove_older(Path(folder), seconds=_INCOMING_AGE)


def _purge(grace: datetime) -> None:
    """Purge the uploads that were deleted before `grace`; the lock keeps owners from restoring them."""
    with transaction.atomic():
        expired = Upload.objects.select_for_update().filter(deleted_at__lt=grace).order_by("pk")
        Upload.objects.filter(pk__in=list(expired.values_list("pk", flat=True))).delete()


def _idle_leases() -> QuerySet[Lease]:
    """Return the unheld leases of originals without unfinished uploads.

    A slow worker can finish a step after its lease has expired. If the worker that took over then dies, its
    lease remains.
    """
    waiting = Upload.objects.filter(
        original=OuterRef("original"), status__in=Upload.UNFINISHED, deleted_at=None
    )
    return Lease.objects.filter(~Exists(waiting)).exclude(expires_at__gt=timezone.now())


def _unused_originals() -> QuerySet[Original]:
    return Original.objects.filter(uploads=None)


def _drop_focuses() -> None:
    """Delete unused focal points, and the renditions of deleted points.

    Originals with unfinished uploads are skipped: their renditions stay until they are replaced.
    """
    for original_id in list(_with_unwanted_focuses().values_list("pk", flat=True)[:500]):
        with transaction.atomic():
            original = Original.objects.select_for_update().filter(pk=original_id).first()
            if original is not None:
                _unnamed_focuses().filter(original=original).delete()
                renditions.drop_unwanted(original, conf.presets())


def _unnamed_focuses() -> QuerySet[Focus]:
    # Points of deleted uploads stay until these are purged, because they may be restored.
    return Focus.objects.filter(uploads=None)


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
