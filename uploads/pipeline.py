"""The chain of an upload: thumbnails, then sizes, then the notice, each on its own queue.

The queues are fair: of each person only so many uploads are under way at once, the rest is held back in
the database until one of them is done. Nobody stands behind another's thousand.
"""

from celery import chain, current_app
from celery.canvas import Signature
from django.db.models import QuerySet
from django.utils import timezone

from processing.conf import darkroom
from processing.tasks import generate_thumbnails, resize_image
from uploads.broker import publish
from uploads.models import Upload

BULK_QUEUE = "bulk"
# By its name: the task stands above this, so that what it calls may call this.
NOTIFY_OWNER = "uploads.tasks.notify_owner"


def start(upload: Upload) -> bool:
    """Publish the upload's chain when it is its turn; return False where the broker is away.

    What the database does not know as queued, or what gets lost, is started by the sweeper.
    """
    return restart(upload) if upload.bulk else all(start_next(upload.owner_id))


def start_next(owner_id: int) -> list[bool]:
    """Publish what is held back of a person's uploads, oldest first, as far as there is room.

    Returns what became of each: False for the last one where the broker is away.
    """
    results: list[bool] = []
    for upload in _next(owner_id):
        results.append(restart(upload))
        if not results[-1]:
            break
    return results


def restart(upload: Upload) -> bool:
    """Publish the upload's chain now, unless somebody else just has; False: the broker is away."""
    seen = Upload.objects.filter(pk=upload.pk, queued_at=upload.queued_at)
    if not seen.update(queued_at=timezone.now()):
        return True
    if not publish(build(upload)):
        Upload.objects.filter(pk=upload.pk).update(queued_at=None)
        return False
    return True


def build(upload: Upload) -> Signature:
    """Return the chain; what nobody waits for goes through a queue of its own."""
    content_hash = upload.original.content_hash
    tasks = [
        generate_thumbnails.si(content_hash=content_hash),
        resize_image.si(content_hash=content_hash),
        current_app.signature(NOTIFY_OWNER, kwargs={"upload_id": str(upload.pk)}, immutable=True),
    ]
    if upload.bulk:
        tasks = [task.set(queue=BULK_QUEUE) for task in tasks]
    return chain(*tasks)


def held_back() -> QuerySet[Upload]:
    """Return the uploads that have not been published yet, of those that somebody waits for."""
    return _under_way().filter(queued_at=None)


def _under_way() -> QuerySet[Upload]:
    return Upload.objects.filter(status__in=Upload.UNFINISHED, deleted_at=None, bulk=False)


def _next(owner_id: int) -> list[Upload]:
    """Return whose turn it is, with one question where nothing is held back."""
    limit = darkroom().uploads_at_once
    waiting = held_back().filter(owner=owner_id).select_related("original").order_by("created_at", "pk")
    uploads = list(waiting[:limit])
    if not uploads:
        return []
    queued = _under_way().filter(owner=owner_id, queued_at__isnull=False)
    return uploads[: max(0, limit - queued[:limit].count())]
