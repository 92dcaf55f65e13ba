"""The collector: removes what nobody has any more."""

import logging
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from processing import handover, originals
from processing.models import Original
from processing.storages import StorageUnavailable
from uploads.models import Upload

logger = logging.getLogger(__name__)

# Seconds after which a file that was being received is left over from a crash.
_INCOMING_AGE = 24 * 3600


def collect() -> int:
    """Purge what was deleted and is past its grace, with originals nobody refers to; return how many."""
    grace = timezone.now() - timedelta(seconds=settings.DARKROOM["DELETE_GRACE"])
    Upload.objects.filter(deleted_at__lt=grace).delete()
    unused = list(_unused_originals().filter(created_at__lt=grace).values_list("pk", flat=True)[:500])
    _remove_abandoned_files()
    handover.remove_old()
    return sum(_remove(pk) for pk in unused)


def _unused_originals() -> QuerySet[Original]:
    return Original.objects.filter(uploads=None)


def _remove(original_id: int) -> bool:
    try:
        return originals.remove(original_id=original_id)
    except StorageUnavailable as error:
        logger.warning("An original nobody has stays for now: %s", error)
        return False


def _remove_abandoned_files() -> None:
    """Remove what a killed web process had begun to receive."""
    oldest = time.time() - _INCOMING_AGE
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir():
        # A file that is received meanwhile vanishes from here.
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()
