"""Completion records what the steps of an upload report, until the upload is ready or has failed."""

import logging
import uuid
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.dispatch import receiver
from django.utils import timezone

from processing import renditions, steps
from processing.errors import Refusal
from processing.signals import step_failed, step_finished, step_started
from uploads import pipeline
from uploads.events import history
from uploads.models import Event, Step, Upload
from uploads.notices.announcements import announce
from uploads.signals import upload_failed, upload_ready

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
        history.begin_step([upload], Step.Name.NOTIFY_OWNER)
        history.end_step([upload], Step.Name.NOTIFY_OWNER)
        upload.status, upload.ready_at = Upload.Status.READY, upload.ready_at or timezone.now()
        upload.error_code = upload.error_detail = ""
        upload.save(update_fields=["status", "ready_at", "error_code", "error_detail"])
        if not again:
            announce(upload, Event.Name.READY)
        elif not upload.bulk:
            announce(upload, Event.Name.REPROCESSED)
        upload_ready.send(sender=Upload, upload=upload, again=again)
        _make_room(upload)
    return True


@transaction.atomic(savepoint=False)
def fail(upload: Upload, refusal: Refusal) -> None:
    """Mark an upload as failed, for a reason that a person can read, and tell its owner."""
    upload.status = Upload.Status.FAILED
    upload.error_code, upload.error_detail = refusal.code, str(refusal)
    upload.save(update_fields=["status", "error_code", "error_detail"])
    announce(upload, Event.Name.FAILED, code=refusal.code, detail=str(refusal))
    upload_failed.send(sender=Upload, upload=upload, refusal=refusal)
    _make_room(upload)


def run_here(upload: Upload) -> None:
    """Do the chain's work in this process.

    Raises what the steps raise.
    """
    steps.run(step="generate_thumbnails", content_hash=upload.original.content_hash)
    steps.run(step="resize_image", content_hash=upload.original.content_hash)
    complete(upload.pk)


@receiver(step_started)
def on_step_started(*, content_hash: str, step: str, **kwargs: Any) -> None:
    """Show the uploads of this original as being processed."""
    uploads = list(_unfinished(content_hash))
    history.begin_step(uploads, step)
    Upload.objects.filter(pk__in=[upload.pk for upload in uploads]).update(status=Upload.Status.PROCESSING)


@receiver(step_finished)
def on_step_finished(*, content_hash: str, step: str, **kwargs: Any) -> None:
    """Tell the uploads of this original that a step is done."""
    uploads = list(_unfinished(content_hash))
    history.end_step(uploads, step)
    if step == Step.Name.GENERATE_THUMBNAILS:
        history.keep_order(upload.owner_id for upload in uploads)
        for upload in uploads:
            upload.thumbnails_ready_at = upload.thumbnails_ready_at or timezone.now()
            upload.save(update_fields=["thumbnails_ready_at"])
            announce(upload, Event.Name.THUMBNAILS_READY)


@receiver(step_failed)
def on_step_failed(*, content_hash: str, refusal: Refusal, **kwargs: Any) -> None:
    """Tell the uploads of this original that it cannot be processed."""
    uploads = list(_unfinished(content_hash))
    history.keep_order(upload.owner_id for upload in uploads)
    for upload in uploads:
        fail(upload, refusal)


def _make_room(upload: Upload) -> None:
    """Start what was held back for this upload, once it is committed that it needs no more work."""
    transaction.on_commit(partial(pipeline.start_next, upload.owner_id))


def _is_whole(upload: Upload) -> bool:
    """Tell whether the upload's own steps are done, and nothing that it shows is missing.

    Steps do not count that ran while it was deleted: its owner has not been told of them. What somebody
    else wants of the same original is for their own chain.
    """
    done = upload.steps.filter(name__in=_STEPS, finished_at__isnull=False).count()
    return done == len(_STEPS) and not renditions.missing_for(upload.original, upload.point)


def _unfinished(content_hash: str) -> QuerySet[Upload]:
    """Return the live uploads of this original that wait for work, locked in one order."""
    return (
        Upload.objects.select_for_update(of=("self",))
        .filter(original__content_hash=content_hash, status__in=Upload.UNFINISHED, deleted_at=None)
        .order_by("pk")
    )
