"""The end of the chain: an upload is ready once nothing that is wanted is missing."""

import logging
import uuid

from django.db import transaction
from django.utils import timezone

from processing import renditions
from uploads import events
from uploads.models import Event, Step, Upload

logger = logging.getLogger(__name__)

_STEPS = (Step.Name.GENERATE_THUMBNAILS, Step.Name.RESIZE_IMAGE)


def complete(upload_id: uuid.UUID | str) -> bool:
    """Mark an upload as ready and tell its owner, once; tell whether that was now.

    An upload that is gone, finished, or not whole yet is left as it is. That it was processed again is
    told too, unless nobody waits for it.
    """
    with transaction.atomic():
        upload = (
            Upload.objects.select_for_update(of=("self",))
            .select_related("original", "owner", "focus")
            .filter(pk=upload_id, deleted_at=None, status__in=Upload.UNFINISHED)
            .first()
        )
        if upload is None or not _is_whole(upload):
            logger.info("Nothing to tell of upload %s: gone, finished, or not whole yet.", upload_id)
            return False
        again = upload.ready_at is not None
        events.begin_step([upload], Step.Name.NOTIFY_OWNER)
        events.end_step([upload], Step.Name.NOTIFY_OWNER)
        upload.status, upload.ready_at = Upload.Status.READY, upload.ready_at or timezone.now()
        upload.error_code = upload.error_detail = ""
        upload.save(update_fields=["status", "ready_at", "error_code", "error_detail"])
        if not again:
            events.record(upload, Event.Name.READY)
        elif not upload.bulk:
            events.record(upload, Event.Name.REPROCESSED)
    return True


def _is_whole(upload: Upload) -> bool:
    """Tell whether the upload's own steps are done, and nothing that it shows is missing.

    Steps do not count that ran while it was deleted: its owner has not been told of them. What somebody
    else wants of the same original is for their own chain.
    """
    done = upload.steps.filter(name__in=_STEPS, finished_at__isnull=False).count()
    return done == len(_STEPS) and not renditions.missing_for(upload.original, upload.point)
