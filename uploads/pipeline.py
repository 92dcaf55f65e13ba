"""The chain of an upload, each task on its own queue.

    generate_thumbnails(content_hash) → resize_image(content_hash) → notify_owner(upload_id)

The queues are fair to each kind of work by itself: only a limited number of each person's thumbnails, and of
their sizes, are published at once. The others wait in the database until one of that kind is done, so they do
not delay other people. Therefore the chain is published in two parts: first the thumbnails, newest upload
first, and when these are done, the sizes with the notice, oldest upload first. `Upload.next_step` is the part
whose turn it is. While a person waits for thumbnails, this person's sizes wait, too, for a limited time. Bulk
work is published as one chain, on its own queue.
"""

from datetime import timedelta

from celery import chain, current_app
from celery.canvas import Signature
from django.db.models import QuerySet

from processing import clock, correlation
from processing.conf import darkroom
from processing.tasks import generate_thumbnails, resize_image
from uploads.broker import in_queue, publish
from uploads.models import Step, Upload

# Referenced by name, because `uploads.tasks` imports this module indirectly.
NOTIFY_OWNER = "uploads.tasks.notify_owner"

THUMBNAILS, SIZES = Step.Name.GENERATE_THUMBNAILS, Step.Name.RESIZE_IMAGE
# The page shows the newest uploads first. Sizes keep the order of arrival, so that none starves.
_ORDER = {THUMBNAILS: ("-created_at", "-pk"), SIZES: ("created_at", "pk")}
# The time from the creation of an upload for which its sizes may wait for thumbnails of other uploads.
_SIZES_WAIT = timedelta(seconds=60)


def start(upload: Upload) -> bool:
    """Publish a bulk upload, or its owner's next waiting uploads; return False if the broker is unavailable.

    The sweeper starts uploads that were never queued or whose messages were lost.
    """
    return restart(upload) if upload.bulk else all(start_next(upload.owner_id))


def start_next(owner_id: int) -> list[bool]:
    """Publish a person's waiting thumbnails and sizes, each up to the limit.

    Returns one result for each upload; the last is False if the broker is unavailable.
    """
    results: list[bool] = []
    for upload in [*_next(owner_id, THUMBNAILS), *_next(owner_id, SIZES)]:
        results.append(_publish(upload, upload.next_step))
        if not results[-1]:
            break
    return results


def restart(upload: Upload) -> bool:
    """Publish the upload from its first step now; return False if the broker is unavailable.

    A step that is done costs next to nothing. If another process has just published the upload, do nothing
    and return True.
    """
    return _publish(upload, THUMBNAILS)


def build(upload: Upload, *, step: str = THUMBNAILS) -> Signature:
    """Return the part of the chain that begins with `step`, or the whole chain in the bulk queue.

    The latter is for bulk work, and for an original that has ended its renderer.
    """
    content_hash, queues = upload.original.content_hash, darkroom()
    thumbnails = generate_thumbnails.si(content_hash=content_hash)
    sizes = resize_image.si(content_hash=content_hash)
    notice = current_app.signature(NOTIFY_OWNER, kwargs={"upload_id": str(upload.pk)}, immutable=True)
    if upload.bulk or upload.original.deaths:
        return chain(*[in_queue(task, queues.bulk_queue) for task in (thumbnails, sizes, notice)])
    if step == THUMBNAILS:
        return in_queue(thumbnails, queues.thumbnails_queue)
    return chain(in_queue(sizes, queues.renditions_queue), in_queue(notice, queues.notifications_queue))


def held_back() -> QuerySet[Upload]:
    """Return the uploads whose next step is not published yet, except bulk work."""
    return _under_way().filter(queued_at=None)


def _publish(upload: Upload, step: str) -> bool:
    """Publish the upload from this step on, unless another process was quicker."""
    # A message for an original that has been replaced meanwhile would do nothing for this upload.
    seen = Upload.objects.filter(
        pk=upload.pk,
        original=upload.original_id,
        next_step=upload.next_step,
        queued_at=upload.queued_at,
    )
    # The sizes of a chain that is published whole must not be published again after its thumbnails.
    if not seen.update(next_step=SIZES if upload.original.deaths else step, queued_at=clock.now()):
        return True
    with correlation.carried(request_id=upload.request_id, upload_id=upload.pk):
        is_published = publish(build(upload, step=step))
    if not is_published:
        Upload.objects.filter(pk=upload.pk).update(queued_at=None)
        return False
    return True


def _under_way() -> QuerySet[Upload]:
    return Upload.objects.filter(status__in=Upload.UNFINISHED, deleted_at=None, bulk=False)


def _next(owner_id: int, step: Step.Name) -> list[Upload]:
    """Return the uploads whose step to publish next, with a single query if none is waiting."""
    limit = darkroom().uploads_at_once
    waiting = held_back().filter(owner=owner_id, next_step=step).select_related("original")
    uploads = list(waiting.order_by(*_ORDER[step])[:limit])
    under_way = _under_way().filter(owner=owner_id)
    if step == SIZES and uploads and under_way.filter(next_step=THUMBNAILS).exists():
        oldest = clock.now() - _SIZES_WAIT
        uploads = [upload for upload in uploads if upload.created_at < oldest]
    if not uploads:
        return []
    queued = under_way.filter(next_step=step, queued_at__isnull=False)
    return uploads[: max(0, limit - queued[:limit].count())]
