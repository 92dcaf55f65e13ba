"""The upload's history: each event is recorded once, in the transaction that makes it true."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max, QuerySet
from django.dispatch import receiver
from django.utils import timezone

from processing.errors import Refusal
from processing.signals import step_failed, step_finished, step_started
from uploads import hints, notifications
from uploads.models import Event, Step, Upload


def after(*, owner_id: int, event_id: int) -> QuerySet[Event]:
    """Return a person's events after this one, in their order."""
    return Event.objects.filter(owner=owner_id, pk__gt=event_id).order_by("pk")


def newest(*, owner_id: int) -> int:
    """Return the id of a person's newest event, 0 where there is none."""
    return Event.objects.filter(owner=owner_id).aggregate(newest=Max("pk"))["newest"] or 0


@transaction.atomic(savepoint=False)
def record(upload: Upload, name: Event.Name, **data: Any) -> Event | None:
    """Record an event with its notices; return None where it has been recorded before.

    What may happen over and over is recorded each time.
    """
    _keep_order([upload.owner_id])
    data = {"id": str(upload.pk), "filename": upload.filename, **data}
    fields = {"owner_id": upload.owner_id, "data": data}
    if name in Event.REPEATED:
        event, created = Event.objects.create(upload=upload, name=name, **fields), True
    else:
        event, created = Event.objects.get_or_create(upload=upload, name=name, defaults=fields)
    if not created:
        return None
    _tell(event)
    return event


@transaction.atomic(savepoint=False)
def record_of_webhook(*, owner: User, name: Event.Name, data: dict[str, str]) -> Event:
    """Record what happened to a webhook of a person, with its notices."""
    _keep_order([owner.pk])
    event = Event.objects.create(owner=owner, name=name, data=data)
    _tell(event)
    return event


def fail(upload: Upload, refusal: Refusal) -> None:
    """Mark an upload as failed, for a reason that a person can read."""
    upload.status = Upload.Status.FAILED
    upload.error_code, upload.error_detail = refusal.code, str(refusal)
    upload.save(update_fields=["status", "error_code", "error_detail"])
    record(upload, Event.Name.FAILED, code=refusal.code, detail=str(refusal))


def begin_step(uploads: list[Upload], name: str) -> None:
    """Note that a step has started for these uploads; a repeated start counts from now."""
    Step.objects.bulk_create(
        [Step(upload=upload, name=name, started_at=timezone.now()) for upload in uploads],
        update_conflicts=True,
        unique_fields=["upload", "name"],
        update_fields=["started_at", "finished_at"],
    )


def end_step(uploads: list[Upload], name: str) -> None:
    """Note that a step has finished for these uploads."""
    Step.objects.filter(upload__in=uploads, name=name).update(finished_at=timezone.now())


@receiver(step_started)
def on_step_started(*, content_hash: str, step: str, **kwargs: Any) -> None:
    """Show the uploads of this original as being processed."""
    uploads = list(_unfinished(content_hash))
    begin_step(uploads, step)
    Upload.objects.filter(pk__in=[upload.pk for upload in uploads]).update(status=Upload.Status.PROCESSING)


@receiver(step_finished)
def on_step_finished(*, content_hash: str, step: str, **kwargs: Any) -> None:
    """Tell the uploads of this original that a step is done."""
    uploads = list(_unfinished(content_hash))
    end_step(uploads, step)
    if step == Step.Name.GENERATE_THUMBNAILS:
        _keep_order(upload.owner_id for upload in uploads)
        for upload in uploads:
            upload.thumbnails_ready_at = upload.thumbnails_ready_at or timezone.now()
            upload.save(update_fields=["thumbnails_ready_at"])
            record(upload, Event.Name.THUMBNAILS_READY)


@receiver(step_failed)
def on_step_failed(*, content_hash: str, refusal: Refusal, **kwargs: Any) -> None:
    """Tell the uploads of this original that it cannot be processed."""
    uploads = list(_unfinished(content_hash))
    _keep_order(upload.owner_id for upload in uploads)
    for upload in uploads:
        fail(upload, refusal)


def _keep_order(owner_ids: Iterable[int]) -> None:
    """Let nobody else record events of these people until the transaction ends.

    Ids are given before a commit. Without this an event could appear after one with a higher
    id, and a stream that has sent the latter would miss it. All people are locked in one order.
    """
    owners = User.objects.filter(pk__in=set(owner_ids))
    list(owners.select_for_update(no_key=True).order_by("pk").values_list("pk"))


def _tell(event: Event) -> None:
    notifications.create(event)
    transaction.on_commit(partial(hints.tell, event.owner_id))


def _unfinished(content_hash: str) -> QuerySet[Upload]:
    """Return the live uploads of this original that wait for work, locked in one order."""
    return (
        Upload.objects.select_for_update(of=("self",))
        .filter(original__content_hash=content_hash, status__in=Upload.UNFINISHED, deleted_at=None)
        .order_by("pk")
    )
