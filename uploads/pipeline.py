"""The chain of an upload: thumbnails, then sizes, then the notice, each on its own queue.

The queues are fair: only a limited number of each person's uploads are published at once. The others wait in
the database until one of those finishes, so they do not delay other people.
"""

from celery import chain, current_app
from celery.canvas import Signature
from django.db.models import QuerySet
from django.utils import timezone

from processing.conf import darkroom
from processing.tasks import BULK_QUEUE, generate_thumbnails, resize_image
from uploads.broker import publish
from uploads.models import Upload

# Referenced by name, because `uploads.tasks` imports this module indirectly.
NOTIFY_OWNER = "uploads.tasks.notify_owner"


def start(upload: Upload) -> bool:
    """Publish a bulk upload, or its owner's next waiting uploads; return False if the broker is unavailable.

    The sweeper starts uploads that were never queued or whose messages were lost.
    """
    return restart(upload) if upload.bulk else all(start_next(upload.owner_id))


def start_next(owner_id: int) -> list[bool]:
    """Publish a person's waiting uploads, oldest first, up to the limit.

    Returns one result for each upload; the last is False if the broker is unavailable.
    """
    results: list[bool] = []
    for upload in _next(owner_id):
        results.append(restart(upload))
        if not results[-1]:
            break
    return results


def restart(upload: Upload) -> bool:
    """Publish the upload's chain now; return False if the broker is unavailable.

    If another process has just published it, do nothing and return True.
    """
    seen = Upload.objects.filter(pk=upload.pk, queued_at=upload.queued_at)
    if not seen.update(queued_at=timezone.now()):
        return True
    if not publish(build(upload)):
        Upload.objects.filter(pk=upload.pk).update(queued_at=None)
        return False
    return True


def build(upload: Upload) -> Signature:
    """Return the chain; bulk work, and an original that has ended its renderer, go through the bulk queue."""
    content_hash = upload.original.content_hash
    tasks = [
        generate_thumbnails.si(content_hash=content_hash),
        resize_image.si(content_hash=content_hash),
        current_app.signature(NOTIFY_OWNER, kwargs={"upload_id": str(upload.pk)}, immutable=True),
    ]
    if upload.bulk or upload.original.deaths:
        tasks = [task.set(queue=BULK_QUEUE) for task in tasks]
    return chain(*tasks)


def held_back() -> QuerySet[Upload]:
    """Return the uploads that are not published yet, except bulk work."""
    return _under_way().filter(queued_at=None)


def _under_way() -> QuerySet[Upload]:
    return Upload.objects.filter(status__in=Upload.UNFINISHED, deleted_at=None, bulk=False)


def _next(owner_id: int) -> list[Upload]:
    """Return the uploads to publish next, with a single query if none is waiting."""
    limit = darkroom().uploads_at_once
    waiting = held_back().filter(owner=owner_id).select_related("original").order_by("created_at", "pk")
    uploads = list(waiting[:limit])
    if not uploads:
        return []
    queued = _under_way().filter(owner=owner_id, queued_at__isnull=False)
    return uploads[: max(0, limit - queued[:limit].count())]
