"""What people can do: send, change, process again and delete images."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO, cast
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from processing import conf, originals
from processing.errors import Refusal
from processing.images.reading.header import read_header
from processing.models import Focus, Lease, Original, Rendition
from processing.originals import Vanished
from processing.presets import AUTOMATIC, Point, Preset, point_text
from uploads import completion, pipeline
from uploads.models import Event, Step, Upload
from uploads.notices.announcements import announce
from uploads.receiving import quotas
from uploads.receiving.form import HashedFile
from uploads.signals import upload_deleted, upload_received

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class SentAgain(Refusal):
    """The same bytes have been sent again since they were deleted."""

    code = "sent_again"
    title = "The image was sent again"
    status = HTTPStatus.CONFLICT


@dataclass(frozen=True, slots=True)
class Received:
    """The upload that a file became; `duplicate` where this person had sent these bytes before."""

    upload: Upload
    duplicate: bool


def receive_upload(
    *, owner: User, file: HashedFile, visibility: str = Upload.Visibility.UNLISTED
) -> Received:
    """Store the file as an original, and start its processing once that is committed.

    Raises a `Refusal` for what is no image that is taken, or one too many, and `StorageUnavailable`.
    """
    header = read_header(cast("BinaryIO", file), name=file.name or "The file", limits=conf.limits())
    content_hash, byte_size = file.content_hash, file.size or 0
    while True:
        known = Upload.objects.shown().filter(owner=owner, original__content_hash=content_hash).first()
        if known is not None:
            _keep_private(known, visibility)
            return Received(known, duplicate=True)
        quotas.check(person=owner, byte_size=byte_size)
        stored = originals.store_unless_known(content_hash=content_hash, file=file)
        # Somebody who sends or removes the same bytes at the same time may be faster: then it looks again.
        with suppress(IntegrityError, Vanished), transaction.atomic():
            original = originals.claim(
                content_hash=content_hash, byte_size=byte_size, header=header, file=file, stored=stored
            )
            quotas.charge(person=owner, byte_size=byte_size)
            upload = Upload.objects.create(
                owner=owner, original=original, filename=file.name or "", visibility=visibility
            )
            announce(upload, Event.Name.RECEIVED)
            upload_received.send(sender=Upload, upload=upload)
            transaction.on_commit(partial(pipeline.start, upload))
            return Received(upload, duplicate=False)


def reprocess(
    *, uploads: Sequence[Upload], force: bool = False, presets: Collection[Preset] = (), bulk: bool = False
) -> int:
    """Queue uploads again: what is missing or stale is rendered, with `force` the rest too.

    `presets` narrows what `force` renders. What was rendered stays in place until its successor
    is there. Returns how many could not be queued now; the sweeper does that later.
    """
    again = prepare_again(uploads=uploads, force=force, presets=presets, bulk=bulk)
    return sum(not pipeline.start(upload) for upload in again)


def reprocess_here(*, upload: Upload, force: bool = False, presets: Collection[Preset] = ()) -> None:
    """Process an upload again in this process.

    Raises what the steps raise.
    """
    prepare_again(uploads=[upload], force=force, presets=presets, bulk=True)
    completion.run_here(upload)


def prepare_again(
    *, uploads: Sequence[Upload], force: bool, presets: Collection[Preset], bulk: bool
) -> list[Upload]:
    """Write down that uploads are to be processed again, so that it happens whatever dies.

    Returns those that are to be started: the others are on their way already.
    """
    originals_of = [upload.original_id for upload in uploads]
    with transaction.atomic():
        # Whoever is about to say that one of them is ready has said so, or sees what is wanted from now on.
        list(
            Original.objects.select_for_update().filter(pk__in=originals_of).order_by("pk").values_list("pk")
        )
        rows = (
            Upload.objects.select_for_update(of=("self",))
            .select_related("original")
            .filter(pk__in=[upload.pk for upload in uploads], deleted_at=None)
            .order_by("pk")
        )
        again = [upload for upload in rows if not upload.is_unfinished]
        if force:
            names = [preset.name for preset in presets or conf.presets()]
            Rendition.objects.filter(original__in=originals_of, preset__in=names).update(redo=True)
        Lease.objects.filter(original__in=[upload.original_id for upload in again], expires_at=None).delete()
        Step.objects.filter(upload__in=again).delete()
        for upload in again:
            upload.status, upload.bulk, upload.queued_at = Upload.Status.PENDING, bulk, None
            upload.error_code = upload.error_detail = ""
        Upload.objects.bulk_update(again, ["status", "bulk", "queued_at", "error_code", "error_detail"])
    return again


def update_upload(*, upload: Upload, visibility: str) -> None:
    """Change who may see an upload."""
    upload.visibility = visibility
    upload.save(update_fields=["visibility"])


def set_focus(*, upload: Upload, point: Point | None) -> None:
    """Let the crops of an upload look at a point, or again at what draws attention where it is None.

    They are rendered anew; until they are there the automatic ones are shown. The same point again
    changes nothing.
    """
    text = point_text(point) if point else AUTOMATIC
    with transaction.atomic():
        row = _locked(Upload.objects.filter(pk=upload.pk, deleted_at=None))
        if row is None or row.point == text:
            return
        _choose_focus(row, text)
        _start_again(row)


def delete_upload(*, upload: Upload, deleted_at: datetime | None = None) -> None:
    """Delete an upload: it is gone for everybody at once, its files some seconds later."""
    with transaction.atomic():
        row = _locked(Upload.objects.filter(pk=upload.pk, deleted_at=None))
        if row is None:
            return
        row.deleted_at = deleted_at or timezone.now()
        row.save(update_fields=["deleted_at"])
        quotas.refund(person=row.owner, byte_size=row.original.byte_size)
        announce(row, Event.Name.DELETED)
        upload_deleted.send(sender=Upload, upload=row)
        transaction.on_commit(partial(pipeline.start_next, row.owner_id))


def restore_upload(*, owner: User, upload_id: UUID) -> Upload | None:
    """Take the deletion of a person's upload back; return it, or None where it is gone for good.

    One that is not deleted stays as it is. Raises `SentAgain`.
    """
    with transaction.atomic():
        row = _locked(Upload.objects.filter(pk=upload_id, owner=owner))
        if row is None or row.deleted_at is None:
            return row
        row.deleted_at = None
        # Taking back what was an accident is not sending more.
        quotas.charge(person=owner, byte_size=row.original.byte_size, within=False)
        try:
            row.save(update_fields=["deleted_at"])
        except IntegrityError as error:
            raise SentAgain(
                "You have sent {filename} again meanwhile; look for the new one.", filename=row.filename
            ) from error
        announce(row, Event.Name.RESTORED)
        if row.is_unfinished:
            # Its steps went on, and did not count for it.
            _start_again(row)
    return row


def delete_uploads(*, uploads: Sequence[Upload]) -> datetime:
    """Delete several uploads in one act; return its time, by which `restore_uploads` takes it back."""
    deleted_at = timezone.now()
    for upload in uploads:
        delete_upload(upload=upload, deleted_at=deleted_at)
    return deleted_at


def restore_uploads(*, owner: User, deleted_at: datetime) -> list[Upload]:
    """Take back what a person deleted in one act, but for what is purged or was sent again; return it."""
    restored = []
    for upload_id in list(
        Upload.objects.filter(owner=owner, deleted_at=deleted_at).values_list("pk", flat=True)
    ):
        with suppress(SentAgain):
            restored.append(restore_upload(owner=owner, upload_id=upload_id))
    return [upload for upload in restored if upload]


def _locked(uploads: QuerySet[Upload]) -> Upload | None:
    """Return the only one of these; nobody else changes it, or what is wanted of its original, meanwhile.

    The original is locked first, as wherever both are: by who sends the same bytes, and by who ends a step.
    """
    Original.objects.select_for_update().filter(pk__in=uploads.values("original")).exists()
    return uploads.select_for_update(of=("self",)).select_related("original", "focus").first()


def _choose_focus(upload: Upload, point: str) -> None:
    """Let an upload's crops look at the point; drop those of the original that nobody wants any more.

    An original is rendered once more for each of its points, whoever wants them. Call it in a
    transaction that holds the original's row.
    """
    upload.focus = None
    if point != AUTOMATIC:
        upload.focus, _ = Focus.objects.get_or_create(original_id=upload.original_id, point=point)
    upload.save(update_fields=["focus"])
    # Those of deleted uploads stay until these are purged: they may be restored.
    Focus.objects.filter(original=upload.original_id, uploads=None).delete()


def _start_again(upload: Upload) -> None:
    """Have an upload processed once the transaction has committed, whatever is under way already.

    A chain that is knows only what was wanted before. What dies here is started by the sweeper, for
    which it looks as if it had never been queued.
    """
    prepare_again(uploads=[upload], force=False, presets=(), bulk=False)
    upload.queued_at, upload.bulk = None, False
    upload.save(update_fields=["queued_at", "bulk"])
    transaction.on_commit(partial(pipeline.start, upload))


def _keep_private(upload: Upload, visibility: str) -> None:
    """Make an upload private that its owner sends again as such; sending it again reveals nothing."""
    if visibility == Upload.Visibility.PRIVATE:
        update_upload(upload=upload, visibility=visibility)
