"""The end of the chain: an upload is ready once nothing that is wanted is missing."""

import logging
import uuid

from django.db import transaction
from django.utils import timezone

from processing import configuration, renditions
from uploads import events
from uploads.models import Event, Step, Upload

logger = logging.getLogger(__name__)


def complete(upload_id: uuid.UUID | str) -> bool:
    """Mark an upload as ready and tell its owner, once; tell whether that was now.

    An upload that is gone, finished, or not whole yet is left as it is.
    """
    with transaction.atomic():
        upload = (
            Upload.objects.select_for_update(of=("self",))
            .select_related("original", "owner")
            .filter(pk=upload_id, deleted_at=None, status__in=Upload.UNFINISHED)
            .first()
        )
        if upload is None or renditions.missing(upload.original, configuration.presets()):
            logger.info("Nothing to tell of upload %s: gone, finished, or not whole yet.", upload_id)
            return False
        events.begin_step([upload], Step.Name.NOTIFY_OWNER)
        events.end_step([upload], Step.Name.NOTIFY_OWNER)
        upload.status, upload.ready_at = Upload.Status.READY, upload.ready_at or timezone.now()
        upload.error_code = upload.error_detail = ""
        upload.save(update_fields=["status", "ready_at", "error_code", "error_detail"])
        events.record(upload, Event.Name.READY)
    return True
