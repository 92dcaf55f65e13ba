"""Completion: record what an upload's steps report, until the upload is ready or has failed."""

import logging
import uuid
from collections.abc import Collection
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.dispatch import receiver

from processing import clock, leases, renditions, steps
from processing.errors import Refusal
from processing.metrics.counters import COUNTERS
from processing.metrics.families import UPLOAD_FAILURES, UPLOADS_FINISHED
from processing.models import Original
from processing.originals import OriginalLost
from processing.signals import step_failed, step_finished, step_requested, step_set_aside, step_started
from processing.steps import Postponed
from uploads import pipeline
from uploads.events import history
from uploads.hooks.verdicts import RefusedByHook
from uploads.models import Event, Step, Upload
from uploads.notices.announcements import announce
from uploads.signals import upload_failed, upload_ready

logger = logging.getLogger(__name__)

# The refusals that also concern uploads that are ready.
_FOR_ALL = (OriginalLost.code, RefusedByHook.code)
# The name of the wait for a worker with the ordered presets, where steps have theirs.
_WAIT = "wait_for_presets"
_STEPS = (Step.Name.GENERATE_THUMBNAILS, Step.Name.RESIZE_IMAGE)


def complete(upload_id: uuid.UUID | str) -> bool:
    """Mark an upload as ready and notify its owner once; return whether this call did.

    Deleted, finished and incomplete uploads stay unchanged. Bulk reprocessing is not announced.
    """
    with transaction.atomic():
        upload = (
            Upload.objects.select_for_update(of=("self",))
            .select_related("original", "owner", "focus")
            .filter(pk=upload_id, deleted_at=None, status__in=Upload.UNFINISHED)
            .first()
        )
        if upload is None or not _is_whole(upload):
            logger.info("Upload %s was not completed: it is deleted, finished or incomplete.", upload_id)
            return False
        again = upload.ready_at is not None
        history.begin_step([upload], Step.Name.NOTIFY_OWNER)
        history.end_step([upload], Step.Name.NOTIFY_OWNER)
        upload.status, upload.ready_at = Upload.Status.READY, upload.ready_at or clock.now()
        upload.error_code = upload.error_detail = ""
        upload.save(update_fields=["status", "ready_at", "error_code", "error_detail"])
        if not again:
            announce(upload, Event.Name.READY)
        elif not upload.bulk:
            announce(upload, Event.Name.REPROCESSED)
        upload_ready.send(sender=Upload, upload=upload, again=again)
        transaction.on_commit(partial(COUNTERS.count, UPLOADS_FINISHED, "ready"))
        _make_room(upload)
    return True


@transaction.atomic(savepoint=False)
def fail(upload: Upload, refusal: Refusal) -> None:
    """Mark an upload as failed with a readable reason; notify its owner once."""
    upload.status = Upload.Status.FAILED
    upload.error_code, upload.error_detail = refusal.code, str(refusal)
    if refusal.code == RefusedByHook.code:
        # Nothing of the picture is shown any more, even if it was ready before the hook was configured.
        upload.thumbnails_ready_at = upload.ready_at = None
    upload.save(update_fields=["status", "error_code", "error_detail", "thumbnails_ready_at", "ready_at"])
    announce(upload, Event.Name.FAILED, code=refusal.code, detail=str(refusal))
    upload_failed.send(sender=Upload, upload=upload, refusal=refusal)
    transaction.on_commit(partial(COUNTERS.count, UPLOADS_FINISHED, "failed"))
    transaction.on_commit(partial(COUNTERS.count, UPLOAD_FAILURES, refusal.code))
    _make_room(upload)


@transaction.atomic(savepoint=False)
def fail_all(content_hash: str, refusal: Refusal) -> None:
    """Mark the original's unfinished uploads as failed.

    If its file is lost, or a hook has refused it, ready uploads fail, too.
    """
    ready = [Upload.Status.READY] if refusal.code in _FOR_ALL else []
    uploads = list(_locked(content_hash, [*Upload.UNFINISHED, *ready]))
    history.keep_order(upload.owner_id for upload in uploads)
    for upload in uploads:
        fail(upload, refusal)


def run_here(upload: Upload) -> None:
    """Run the chain's steps in this process.

    Raises what the steps raise.
    """
    steps.run(step="generate_thumbnails", content_hash=upload.original.content_hash, alone=True)
    steps.run(step="resize_image", content_hash=upload.original.content_hash, alone=True)
    complete(upload.pk)


@receiver(step_requested)
def require_presets(*, original: Original, **kwargs: Any) -> None:
    """Leave a step to another worker if an operator has ordered it with other presets than this worker's.

    A worker that read its settings after the order is trusted: the presets may have been edited again. Raises
    `Postponed`, `LeaseHeld` or a database error.
    """
    ordered = Upload.objects.filter(original=original, status__in=Upload.UNFINISHED, deleted_at=None)
    orders = set(ordered.exclude(presets="").values_list("presets", "presets_at"))
    if not orders:
        return
    here, began_at = renditions.fingerprint_of_all(), clock.began_at()
    if any(there != here and at and at > began_at for there, at in orders):
        postponed = Postponed(
            f"{original} is to be rendered with other presets than this worker has. Restart this worker."
        )
        logger.warning("%s", postponed)
        leases.put_off(original, _WAIT, postponed)
        raise postponed
    leases.forget(original, _WAIT)


@receiver(step_started)
def on_step_started(*, content_hash: str, step: str, **kwargs: Any) -> None:
    """Mark the original's unfinished uploads as processing."""
    uploads = list(_unfinished(content_hash))
    history.begin_step(uploads, step)
    Upload.objects.filter(pk__in=[upload.pk for upload in uploads]).update(status=Upload.Status.PROCESSING)


@receiver(step_finished)
def on_step_finished(*, content_hash: str, step: str, **kwargs: Any) -> None:
    """Record for the original's unfinished uploads that a step has finished."""
    uploads = list(_unfinished(content_hash))
    history.end_step(uploads, step)
    if step == Step.Name.GENERATE_THUMBNAILS:
        history.keep_order(upload.owner_id for upload in uploads)
        for upload in uploads:
            upload.thumbnails_ready_at = upload.thumbnails_ready_at or clock.now()
            _let_sizes_follow(upload)
            upload.save(update_fields=["thumbnails_ready_at", "next_step", "queued_at"])
            announce(upload, Event.Name.THUMBNAILS_READY)


@receiver(step_failed)
def on_step_failed(*, content_hash: str, refusal: Refusal, **kwargs: Any) -> None:
    """Mark the original's uploads as failed."""
    fail_all(content_hash, refusal)


@receiver(step_set_aside)
def on_step_set_aside(*, content_hash: str, **kwargs: Any) -> None:
    """After the commit, publish the original's unfinished uploads again, through the bulk queue."""
    for upload in _unfinished(content_hash).select_related("original"):
        transaction.on_commit(partial(pipeline.restart, upload))


def _let_sizes_follow(upload: Upload) -> None:
    """Leave the place for thumbnails, and wait for one for sizes.

    The chain of bulk work goes on by itself. An upload with sizes under way has left its place before.
    """
    if upload.bulk or upload.next_step != Step.Name.GENERATE_THUMBNAILS or _lacks_thumbnails(upload):
        return
    upload.next_step, upload.queued_at = Step.Name.RESIZE_IMAGE, None
    _make_room(upload)


def _lacks_thumbnails(upload: Upload) -> bool:
    """Return whether the owner has set a focal point meanwhile, whose thumbnails another message brings."""
    return upload.focus_id is not None and any(
        recipe.preset.is_thumbnail for recipe in renditions.missing_for(upload.original, upload.point)
    )


def _make_room(upload: Upload) -> None:
    """After the commit, publish the owner's work that is held back, up to the limits."""
    transaction.on_commit(partial(pipeline.start_next, upload.owner_id))


def _is_whole(upload: Upload) -> bool:
    """Return whether the upload's own steps are done and it lacks no rendition.

    Steps do not count if they ran while the upload was deleted. Crops for other focal points belong to other
    chains.
    """
    done = upload.steps.filter(name__in=_STEPS, finished_at__isnull=False).count()
    return done == len(_STEPS) and not renditions.missing_for(upload.original, upload.point)


def _unfinished(content_hash: str) -> QuerySet[Upload]:
    return _locked(content_hash, Upload.UNFINISHED)


def _locked(content_hash: str, statuses: Collection[str]) -> QuerySet[Upload]:
    """Return the original's uploads of these statuses, locked in the order of their ids."""
    return (
        Upload.objects.select_for_update(of=("self",))
        .filter(original__content_hash=content_hash, status__in=statuses, deleted_at=None)
        .order_by("pk")
    )
