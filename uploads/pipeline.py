"""The chain of an upload: thumbnails, then sizes, then the notice, each on its own queue."""

from celery import chain
from celery.canvas import Signature
from django.utils import timezone

from processing import steps
from processing.tasks import generate_thumbnails, resize_image
from uploads.completion import complete
from uploads.models import Upload
from uploads.publishing import publish
from uploads.tasks import notify_owner

BULK_QUEUE = "bulk"


def start(upload: Upload) -> bool:
    """Publish the upload's chain, unless somebody else just has; return False where the broker is away.

    What the database does not know as queued, or what gets lost, is started by the sweeper.
    """
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
        notify_owner.si(upload_id=str(upload.pk)),
    ]
    if upload.bulk:
        tasks = [task.set(queue=BULK_QUEUE) for task in tasks]
    return chain(*tasks)


def run_here(upload: Upload) -> None:
    """Do the chain's work in this process.

    Raises what the steps raise.
    """
    steps.run(step="generate_thumbnails", content_hash=upload.original.content_hash)
    steps.run(step="resize_image", content_hash=upload.original.content_hash)
    complete(upload.pk)
