"""The services: what people do with images: send, replace, delete; and the end of access and accounts."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from uuid import UUID

from django.core.files.base import File
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from processing import clock, conf, correlation, originals
from processing.conf import darkroom
from processing.database.availability import DATABASE_UNAVAILABLE
from processing.errors import Refusal, TransientError
from processing.garbage.pending_files import FileRemoved
from processing.images.reading.header import Header
from processing.metrics.counters import COUNTERS
from processing.metrics.families import UPLOADED_BYTES, UPLOADS_RECEIVED
from processing.models import Focus, Lease, Original, Rendition
from processing.originals import OriginalLost
from processing.presets import AUTOMATIC, Point, Preset, point_text
from processing.renderer.rendering import read_header
from processing.storages import disk_space
from uploads import completion, pipeline
from uploads.hooks import verdicts
from uploads.models import (
    Delivery,
    Endpoint,
    Event,
    FormerFile,
    Quota,
    Reservation,
    Step,
    Upload,
    UploadQuerySet,
)
from uploads.notices import endpoints, purging
from uploads.notices.announcements import announce, announce_password, end_streams
from uploads.owners import owner_model
from uploads.receiving import quotas
from uploads.receiving.form import HashedFile, hashed
from uploads.signals import upload_deleted, upload_received, upload_replaced
from uploads.tokens import issuing

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

# The number of rows that are deleted with one query.
_PART = 500
# The files of an upload that stay for their grace period after they are replaced. They are outside the quota.
_FORMER_FILES = 3


class SentAgain(Refusal):
    """The same bytes were sent again after the deletion."""

    code = "sent_again"
    title = "The image was uploaded again"
    status = HTTPStatus.CONFLICT


class AccountDeleted(Refusal):
    """The account was deleted while the image was sent."""

    code = "account_deleted"
    title = "The account is deleted"
    status = HTTPStatus.UNAUTHORIZED


class AlreadyUploaded(Refusal):
    """Another upload of the owner already has the bytes that are to replace a file."""

    code = "already_uploaded"
    title = "The file is already uploaded"
    status = HTTPStatus.CONFLICT

    def __init__(self, template: str, *, other: Upload) -> None:
        super().__init__(template, filename=other.filename)
        self.members = {"upload": str(other.pk)}


class FileChanged(Refusal):
    """The file was replaced since the sender read it."""

    code = "file_changed"
    title = "The file has changed"
    status = HTTPStatus.PRECONDITION_FAILED


class TakenDown(Refusal):
    """Staff have taken the upload down, so its file cannot be replaced."""

    code = "taken_down"
    title = "The image is taken down"
    status = HTTPStatus.CONFLICT


@dataclass(frozen=True, slots=True)
class Received:
    """The upload of a received file; `duplicate` if this person already had these bytes."""

    upload: Upload
    duplicate: bool


def receive_upload(
    *,
    owner: User,
    file: File[Any],
    visibility: str = Upload.Visibility.UNLISTED,
    by_field: bool = False,
) -> Received:
    """Store a file as an original, and start its processing after the commit.

    `by_field` is whether a model's field receives it, so that it is removed when no row refers to it. Raises
    `StorageUnavailable`, or a `Refusal` if the file is not an accepted image, exceeds the quota, or was
    refused by a hook before.
    """
    with hashed(file) as received:
        if by_field:
            # The body guard has not admitted it as an upload.
            disk_space.check(received.size or 0)
        header = _header_of(received)
        known = _known(owner, received, by_field=by_field)
        if known is not None:
            return _receive_again(known, received, visibility)
        verdicts.require_not_refused(received.content_hash)
        try:
            with quotas.reserved(person=owner, byte_size=received.size or 0) as room:
                return _receive_new(owner, received, header, visibility, room, by_field=by_field)
        except IntegrityError:
            _require_account(owner)
            raise


def examine(*, owner: User | None, file: File[Any]) -> tuple[Header, int]:
    """Return the header of a file that is not received yet, and its number of bytes.

    Raises a `Refusal` if it is not an accepted image, or if the disk or the quota of an owner has no room.
    """
    with hashed(file) as received:
        byte_size = received.size or 0
        disk_space.check(byte_size)
        header = _header_of(received)
    if owner is not None:
        quotas.check(person=owner, byte_size=byte_size)
    return header, byte_size


def _header_of(file: HashedFile) -> Header:
    return read_header(
        cast("BinaryIO", file),
        name=file.name or "The file",
        limits=conf.limits(),
        options=conf.renderer_options(),
    )


def import_upload(*, owner: User, file: HashedFile, header: Header) -> Received:
    """Receive a file for a field, on behalf of an operator: even beyond the quota, in bulk, without notices.

    `header` comes from `examine`. Raises `StorageUnavailable`, or a `Refusal` if a hook
    has refused the file before.
    """
    known = _known(owner, file, by_field=True)
    if known is not None:
        return _receive_again(known, file, known.visibility)
    verdicts.require_not_refused(file.content_hash)
    return _receive_new(owner, file, header, Upload.Visibility.UNLISTED, None, by_field=True)


def _receive_new(
    owner: User,
    file: HashedFile,
    header: Header,
    visibility: str,
    room: Reservation | None,
    *,
    by_field: bool,
) -> Received:
    """Store a file that its owner does not have, and make its upload; without a reservation, a quiet one."""
    content_hash, byte_size = file.content_hash, file.size or 0
    written = False
    try:
        while True:
            written |= originals.ensure_stored(content_hash=content_hash, file=file)
            # Retry if another request creates or the collector removes the same original at the same time.
            with suppress(IntegrityError, FileRemoved), transaction.atomic():
                original = originals.claim(content_hash=content_hash, byte_size=byte_size, header=header)
                quotas.charge(person=owner, byte_size=byte_size, room=room)
                upload = Upload(
                    owner=owner,
                    original=original,
                    filename=file.name or "",
                    visibility=visibility,
                    made_by_field=by_field,
                    bulk=room is None,
                    quiet=room is None,
                )
                _keep_down(upload)
                _begin(upload)
                if written:
                    heal(original)
                return Received(upload, duplicate=False)
            if known := _known(owner, file, by_field=by_field):
                return _receive_again(known, file, visibility, written=written)
            # An upload of a deleted account violates a constraint too, and no retry could help.
            _require_account(owner)
    except (Refusal, TransientError, *DATABASE_UNAVAILABLE):
        if written:
            # Without the database, the collector removes the file a day later.
            with suppress(*DATABASE_UNAVAILABLE):
                originals.abandon(content_hash)
        raise


def _receive_again(known: Upload, file: HashedFile, visibility: str, *, written: bool = False) -> Received:
    """Return the upload that the owner already has; the same bytes heal a lost original."""
    written |= originals.ensure_stored(content_hash=file.content_hash, file=file)
    _keep_private(known, visibility)
    if written or known.error_code == OriginalLost.code:
        heal(known.original)
        reprocess(uploads=[known])
        known.refresh_from_db()
    return Received(known, duplicate=True)


def _known(owner: User, file: HashedFile, *, by_field: bool) -> Upload | None:
    """Return the upload of these bytes that the owner has, and keep it from being removed as unused.

    An upload that its owner sends in another way than through a field stays, even if no row refers to it.
    """
    own = Upload.objects.shown().filter(owner=owner, original__content_hash=file.content_hash)
    known = own.first()
    if known is None or not known.made_by_field:
        return known
    # It may have been removed since it was read.
    return known if keep_upload(upload_id=known.pk, by_field=by_field) else None


def keep_upload(*, upload_id: UUID, by_field: bool = True) -> bool:
    """Keep an upload, to which a row is about to refer, from being removed as unused.

    Without `by_field`, it is kept for good, because its owner has sent it in another way. Returns False if it
    is deleted.
    """
    with transaction.atomic():
        row = _locked(Upload.objects.live().filter(pk=upload_id))
        if row is None:
            return False
        row.unused_since, row.made_by_field = None, row.made_by_field and by_field
        row.save(update_fields=["unused_since", "made_by_field"])
    return True


def purge_unused(*, upload_id: UUID, unused: UploadQuerySet) -> bool:
    """Delete an upload for good if it is one of the `unused`; return whether it was.

    Its lock keeps other transactions from referring to it.
    """
    with transaction.atomic():
        row = _locked(Upload.objects.filter(pk=upload_id))
        # Another query, because one that has waited for the lock does not see new rows of other tables.
        if row is None or not unused.filter(pk=upload_id).exists():
            return False
        return purge_upload(owner=row.owner, upload_id=upload_id)


def _require_account(owner: User) -> None:
    if not owner_model().objects.filter(pk=owner.pk).exists():
        raise AccountDeleted("This account has been deleted.")


def adopt_original(
    *, owner: User, content_hash: str, byte_size: int, header: Header, sent_at: datetime
) -> None:
    """Make a private upload of a stored file, even beyond the quota.

    Does nothing for a duplicate. Raises `FileRemoved` or `StorageUnavailable`.
    """
    with suppress(IntegrityError), transaction.atomic():
        original = originals.claim(content_hash=content_hash, byte_size=byte_size, header=header)
        quotas.charge(person=owner, byte_size=byte_size)
        _begin(
            Upload(
                owner=owner,
                original=original,
                filename=f"{content_hash[:12]}.{header.format}",
                visibility=Upload.Visibility.PRIVATE,
                bulk=True,
                created_at=sent_at,
            )
        )


def replace_file(
    *, upload: Upload, file: File[Any], expected: Collection[str] | None = None
) -> Received | None:
    """Replace the file of an upload, which is then processed again; return None if it is deleted.

    Its id, visibility and private links stay, and its permanent URLs change. The focal point is automatic
    again. The former permanent URLs work for `REPLACE_GRACE` seconds. `duplicate` of the result means that
    the upload has these bytes already, so that nothing changes.

    With `expected`, the current file must have one of these content hashes. Raises `StorageUnavailable`,
    `AlreadyUploaded`, `FileChanged`, `TakenDown`, or a `Refusal` if the file is not an accepted image or
    exceeds the quota.
    """
    with hashed(file) as received:
        header = _header_of(received)
        if upload.original.content_hash == received.content_hash:
            return _receive_again(upload, received, upload.visibility)
        verdicts.require_not_refused(received.content_hash)
        growth = max(0, (received.size or 0) - upload.original.byte_size)
        with quotas.reserved(person=upload.owner, byte_size=growth, images=0) as room:
            return _replace(upload, received, header, expected, room)


def _replace(
    upload: Upload, file: HashedFile, header: Header, expected: Collection[str] | None, room: Reservation
) -> Received | None:
    """Store the file, and make it the upload's."""
    content_hash, byte_size = file.content_hash, file.size or 0
    written = False
    try:
        while True:
            written |= originals.ensure_stored(content_hash=content_hash, file=file)
            # Retry as `_receive_new` does, and if another request replaces the file at the same time.
            with suppress(IntegrityError, FileRemoved), transaction.atomic():
                locked = _lock_originals(upload, content_hash)
                original = originals.claim(content_hash=content_hash, byte_size=byte_size, header=header)
                row = _live_locked(upload)
                if row is None:
                    return None
                if row.original_id == original.pk:
                    return Received(row, duplicate=True)
                if row.original_id in locked:
                    _require_replaceable(row, expected)
                    _take_file(row, original, file.name or "", room)
                    if written:
                        heal(original)
                    return Received(row, duplicate=False)
            same = Upload.objects.live().filter(owner=upload.owner_id, original__content_hash=content_hash)
            if other := same.exclude(pk=upload.pk).first():
                raise AlreadyUploaded(
                    "You have already uploaded this file, as {filename}. Use that image, or delete it first.",
                    other=other,
                )
    except (Refusal, TransientError, *DATABASE_UNAVAILABLE):
        if written:
            with suppress(*DATABASE_UNAVAILABLE):
                originals.abandon(content_hash)
        raise


def _lock_originals(upload: Upload, content_hash: str) -> set[int]:
    """Lock the original of an upload and the one of this content hash, in the order of their keys."""
    current = Upload.objects.filter(pk=upload.pk).values("original")
    both = Original.objects.filter(Q(pk__in=current) | Q(content_hash=content_hash))
    return set(both.select_for_update().order_by("pk").values_list("pk", flat=True))


def _live_locked(upload: Upload) -> Upload | None:
    rows = Upload.objects.live().select_for_update(of=("self",))
    return rows.select_related("original", "owner", "focus").filter(pk=upload.pk).first()


def _require_replaceable(upload: Upload, expected: Collection[str] | None) -> None:
    if upload.taken_down_at:
        raise TakenDown("Staff have taken this image down. Its file cannot be replaced.")
    if expected is not None and upload.original.content_hash not in expected:
        raise FileChanged("The file of this image was replaced meanwhile. Look at it, then try again.")


def _take_file(upload: Upload, original: Original, filename: str, room: Reservation) -> None:
    """Make an original that of a locked upload, and start its processing after the commit.

    The steps of the former original find no unfinished upload, so they cannot make this one ready.
    """
    difference = original.byte_size - upload.original.byte_size
    quotas.charge(person=upload.owner, byte_size=difference, images=0, room=room)
    _keep_former_file(upload)
    upload.former_files.filter(original=original).delete()
    upload.original, upload.focus, upload.filename = original, None, filename
    upload.version, upload.replaced_at = upload.version + 1, clock.now()
    upload.status, upload.bulk = Upload.Status.PENDING, False
    upload.next_step, upload.queued_at = Step.Name.GENERATE_THUMBNAILS, None
    upload.thumbnails_ready_at = upload.ready_at = None
    upload.error_code = upload.error_detail = ""
    _keep_down(upload)
    upload.save()
    upload.steps.all().delete()
    announce(upload, Event.Name.REPLACED)
    upload_replaced.send(sender=Upload, upload=upload)
    transaction.on_commit(partial(pipeline.start, upload))


def _keep_former_file(upload: Upload) -> None:
    """Let the permanent URLs of an upload's file work for the grace period; end those of its oldest file."""
    FormerFile.objects.update_or_create(
        upload=upload,
        original=upload.original,
        defaults={
            "focus": upload.focus,
            "expires_at": clock.now() + timedelta(seconds=darkroom().replace_grace),
        },
    )
    surplus = upload.former_files.order_by("-expires_at", "-pk").values_list("pk", flat=True)[_FORMER_FILES:]
    upload.former_files.filter(pk__in=list(surplus)).delete()


def lose(original: Original) -> None:
    """Record that an original's file is lost or damaged: all its uploads fail."""
    with transaction.atomic():
        originals.flag(original)
        completion.fail_all(original.content_hash, originals.lost())


def heal(original: Original) -> None:
    """Restart the uploads that failed because the original's file was lost. The file is whole again."""
    with transaction.atomic():
        Original.objects.filter(pk=original.pk).update(suspect=False)
        failed = Upload.objects.filter(original=original, status=Upload.Status.FAILED, deleted_at=None)
        lost = list(failed.filter(error_code=OriginalLost.code))
        for upload in prepare_again(uploads=lost, force=False, presets=(), bulk=False) if lost else []:
            transaction.on_commit(partial(pipeline.start, upload))


def _begin(upload: Upload) -> None:
    """Save a new upload, and start its processing after the commit."""
    upload.save(force_insert=True)
    correlation.about_upload(upload.pk)
    logger.info(
        "Received an image.",
        extra={
            "content_hash": upload.original.content_hash,
            "bytes": upload.original.byte_size,
            "file_name": upload.filename,
        },
    )
    announce(upload, Event.Name.RECEIVED)
    upload_received.send(sender=Upload, upload=upload)
    transaction.on_commit(partial(_count, upload))
    transaction.on_commit(partial(pipeline.start, upload))


def _count(upload: Upload) -> None:
    COUNTERS.count(UPLOADS_RECEIVED)
    COUNTERS.count(UPLOADED_BYTES, by=upload.original.byte_size)


def reprocess(
    *,
    uploads: Sequence[Upload],
    force: bool = False,
    presets: Collection[Preset] = (),
    bulk: bool = False,
    fingerprint: str = "",
) -> int:
    """Queue uploads again to render missing and stale renditions; with `force`, all renditions.

    `presets` limits what `force` renders. Existing renditions stay until they are replaced. Workers whose
    presets have another `fingerprint` leave the uploads to others, unless it is "". Returns the number of
    uploads that could not be queued; the sweeper queues those later.
    """
    again = prepare_again(uploads=uploads, force=force, presets=presets, bulk=bulk, fingerprint=fingerprint)
    return sum(not pipeline.start(upload) for upload in again)


def reprocess_here(*, upload: Upload, force: bool = False, presets: Collection[Preset] = ()) -> None:
    """Reprocess an upload in this process.

    Raises what the steps raise.
    """
    prepare_again(uploads=[upload], force=force, presets=presets, bulk=True)
    completion.run_here(upload)


def prepare_again(
    *,
    uploads: Sequence[Upload],
    force: bool,
    presets: Collection[Preset],
    bulk: bool,
    fingerprint: str = "",
) -> list[Upload]:
    """Record that uploads are to be reprocessed, so that the sweeper can start them after a crash.

    Returns the uploads to start; it leaves out those that are already under way.
    """
    originals_of = [upload.original_id for upload in uploads]
    with transaction.atomic():
        # A step locks the original to finish, so it reports either before all these changes or after them.
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
            # The operator may have updated the decoder, or a hook.
            Original.objects.filter(pk__in=originals_of).update(deaths=0, fault="")
            verdicts.forget(originals_of)
            names = [preset.name for preset in presets or conf.presets()]
            Rendition.objects.filter(original__in=originals_of, preset__in=names).update(redo=True)
        Lease.objects.filter(original__in=[upload.original_id for upload in again], expires_at=None).delete()
        Step.objects.filter(upload__in=again).delete()
        for upload in again:
            upload.status, upload.bulk = Upload.Status.PENDING, bulk
            upload.presets, upload.presets_at = fingerprint, clock.now() if fingerprint else None
            upload.next_step, upload.queued_at = Step.Name.GENERATE_THUMBNAILS, None
            upload.error_code = upload.error_detail = ""
            upload.request_id = correlation.request_id()
        Upload.objects.bulk_update(
            again,
            [
                "status",
                "bulk",
                "presets",
                "presets_at",
                "next_step",
                "queued_at",
                "error_code",
                "error_detail",
                "request_id",
            ],
        )
    return again


def update_upload(*, upload: Upload, visibility: str) -> None:
    """Change the visibility of an upload. A change ends all private links to it."""
    with transaction.atomic():
        row = Upload.objects.select_for_update(no_key=True).filter(pk=upload.pk).first()
        if row is not None and row.visibility != visibility:
            row.visibility = visibility
            row.save(update_fields=["visibility"])
            row.links.all().delete()
            purging.purge_on_commit(row)
    upload.visibility = visibility


def set_alt(*, upload: Upload, alt: str) -> None:
    """Set the text alternative of an upload, in one line."""
    upload.alt = " ".join(alt.split())
    Upload.objects.live().filter(pk=upload.pk).update(alt=upload.alt)


def set_focus(*, upload: Upload, point: Point | None) -> None:
    """Set the focal point of an upload's crops; None restores the automatic one.

    The crops are rendered again; meanwhile the automatic ones are shown. Setting the same point is a no-op.
    """
    text = point_text(point) if point else AUTOMATIC
    with transaction.atomic():
        row = _locked(Upload.objects.filter(pk=upload.pk, deleted_at=None))
        if row is None or row.point == text:
            return
        _choose_focus(row, text)
        _start_again(row)


def delete_upload(*, upload: Upload, deleted_at: datetime | None = None) -> None:
    """Delete an upload: it is hidden at once, and its files are removed after the grace period.

    It counts for the quota until then. Its private links end, and restoring the upload does not bring them
    back.
    """
    with transaction.atomic():
        row = _locked(Upload.objects.filter(pk=upload.pk, deleted_at=None))
        if row is None:
            return
        row.deleted_at = deleted_at or clock.now()
        row.save(update_fields=["deleted_at"])
        row.links.all().delete()
        announce(row, Event.Name.DELETED)
        upload_deleted.send(sender=Upload, upload=row)
        purging.purge_on_commit(row)
        transaction.on_commit(partial(pipeline.start_next, row.owner_id))


def restore_upload(*, owner: User, upload_id: UUID) -> Upload | None:
    """Restore a person's deleted upload and return it; return None if it is purged.

    An upload that is not deleted stays unchanged. Raises `SentAgain`.
    """
    with transaction.atomic():
        row = _locked(Upload.objects.filter(pk=upload_id, owner=owner))
        if row is None or row.deleted_at is None:
            return row
        row.deleted_at = None
        try:
            row.save(update_fields=["deleted_at"])
        except IntegrityError as error:
            raise SentAgain(
                "You have since uploaded {filename} again. Open the new upload.", filename=row.filename
            ) from error
        # A process of an earlier version may have deleted it without its links.
        row.links.all().delete()
        announce(row, Event.Name.RESTORED)
        if row.is_unfinished:
            # Steps that ran while it was deleted were not recorded for it.
            _start_again(row)
    return row


def purge_upload(*, owner: User, upload_id: UUID) -> bool:
    """Delete a person's upload for good, even if it is already deleted; return False if there is none.

    Its quota is free at once. An upload that staff have taken down is only deleted: if its owner could purge
    it, the takedown of the same bytes would end.
    """
    with transaction.atomic():
        row = _locked(Upload.objects.filter(pk=upload_id, owner=owner))
        if row is None:
            return False
        # Receiving an upload locks the quota before the person, too.
        quotas.lock(person_id=row.owner_id)
        if row.deleted_at is None:
            delete_upload(upload=row)
        if row.taken_down_at is None:
            _purge([row])
    return True


def purge_deleted(*, ids: Collection[UUID], before: datetime) -> None:
    """Purge those of the uploads that were deleted before this time.

    Their locks keep owners from restoring them. Raises `IntegrityError` if a row of another app needs one.
    """
    with transaction.atomic():
        rows = Upload.objects.select_for_update(of=("self",)).select_related("original")
        _purge(list(rows.filter(pk__in=ids, deleted_at__lt=before).order_by("pk")))


def _purge(uploads: Sequence[Upload]) -> None:
    """Delete the rows of locked uploads, and free their quota. The collector removes unused originals."""
    images, byte_sizes = Counter[int](), Counter[int]()
    for upload in uploads:
        images[upload.owner_id] += 1
        byte_sizes[upload.owner_id] += upload.original.byte_size
    Upload.objects.filter(pk__in=[upload.pk for upload in uploads]).delete()
    # In order, so that two transactions do not lock each other out.
    for owner_id in sorted(images):
        quotas.refund(person_id=owner_id, images=images[owner_id], byte_size=byte_sizes[owner_id])


def take_down(*, upload: Upload, reason: str) -> bool:
    """Withhold an upload from everyone but staff, and tell its owner why; return whether that was new.

    The uploads of other owners of the same bytes stay as they are.
    """
    return _withhold(upload, Event.Name.TAKEN_DOWN, taken_down_at=clock.now(), takedown_reason=reason)


def put_back(*, upload: Upload) -> bool:
    """End a takedown, and tell the owner; return whether there was one."""
    return _withhold(upload, Event.Name.PUT_BACK, taken_down_at=None, takedown_reason="")


@transaction.atomic
def _withhold(
    upload: Upload, name: Event.Name, *, taken_down_at: datetime | None, takedown_reason: str
) -> bool:
    row = _locked(Upload.objects.live().filter(pk=upload.pk))
    if row is None or (row.taken_down_at is None) == (taken_down_at is None):
        return False
    row.taken_down_at, row.takedown_reason = taken_down_at, takedown_reason
    row.save(update_fields=["taken_down_at", "takedown_reason"])
    purging.purge_on_commit(row)
    announce(row, name, **({"reason": takedown_reason} if taken_down_at else {}))
    return True


def _keep_down(upload: Upload) -> None:
    """Take a new upload down if its owner has deleted one of the same bytes that was taken down."""
    earlier = Upload.objects.filter(
        owner=upload.owner, original=upload.original, taken_down_at__isnull=False, deleted_at__isnull=False
    ).order_by("deleted_at")
    if before := earlier.last():
        upload.taken_down_at, upload.takedown_reason = before.taken_down_at, before.takedown_reason


def delete_uploads(*, uploads: Sequence[Upload]) -> datetime:
    """Delete several uploads together; return the time, which `restore_uploads` needs."""
    deleted_at = clock.now()
    for upload in uploads:
        delete_upload(upload=upload, deleted_at=deleted_at)
    return deleted_at


def restore_uploads(*, owner: User, deleted_at: datetime) -> list[Upload]:
    """Restore and return the uploads that were deleted together, except purged or re-sent ones."""
    restored = []
    for upload_id in list(_deleted_together(owner, deleted_at)):
        with suppress(SentAgain):
            restored.append(restore_upload(owner=owner, upload_id=upload_id))
    return [upload for upload in restored if upload]


def purge_uploads(*, owner: User, deleted_at: datetime) -> int:
    """Purge the uploads that were deleted together, and return how many; see `purge_upload`."""
    ids = list(_deleted_together(owner, deleted_at).filter(taken_down_at=None))
    return sum(purge_upload(owner=owner, upload_id=upload_id) for upload_id in ids)


def _deleted_together(owner: User, deleted_at: datetime) -> QuerySet[Upload, UUID]:
    return Upload.objects.filter(owner=owner, deleted_at=deleted_at).values_list("pk", flat=True)


@transaction.atomic
def end_access(*, person: User) -> None:
    """End all access granted before a password change, because an intruder may have set it up.

    This revokes the API tokens, disables the webhooks, ends the event streams and notifies the person. Django
    ends the other sessions. A new account has none of these, so nothing is announced. The webhooks of an
    owner of another model are not the person's.
    """
    revoked = issuing.revoke_tokens(person)
    if not isinstance(person, owner_model()):
        return
    disabled = endpoints.disable_all(owner=person)
    if revoked or disabled or person.last_login:
        announce_password(owner=person)


@transaction.atomic
def remove_person(*, person: User) -> None:
    """Delete a person's account with everything of theirs, at once and for good.

    The collector removes originals without other uploads. Running tasks find nothing to do, and the person's
    event streams end.
    """
    uploads, person_id = Upload.objects.filter(owner=person), person.pk
    _lock_all(uploads, person_id)
    for upload in uploads.live().select_related("original", "owner").order_by().iterator():
        upload_deleted.send(sender=Upload, upload=upload)
        purging.purge_on_commit(upload)
    for rows in (Delivery.objects.filter(event__owner=person), Event.objects.filter(owner=person), uploads):
        _delete_in_parts(rows)
    person.delete()
    end_streams(person_id)


def _lock_all(uploads: QuerySet[Upload], person_id: int) -> None:
    """Lock a person's rows in the order of the other actions, which avoids deadlocks.

    While the person is locked, no other transaction can add rows of theirs.
    """
    for rows in (
        Original.objects.select_for_update().filter(pk__in=uploads.values("original")),
        uploads.select_for_update(),
        Quota.objects.select_for_update().filter(owner=person_id),
        Endpoint.objects.select_for_update(no_key=True).filter(owner=person_id),
        owner_model().objects.select_for_update().filter(pk=person_id),
    ):
        list(rows.order_by("pk").values_list("pk"))


def _delete_in_parts(rows: QuerySet[Any]) -> None:
    """Delete rows in parts, because Django loads them together with all rows that refer to them."""
    while keys := list(rows.order_by().values_list("pk", flat=True)[:_PART]):
        rows.model.objects.filter(pk__in=keys).delete()


def _locked(uploads: QuerySet[Upload]) -> Upload | None:
    """Lock and return the only upload of the query, together with its original.

    The original is locked first. Receiving an upload and finishing a step use the same order, which avoids
    deadlocks.
    """
    Original.objects.select_for_update().filter(pk__in=uploads.values("original")).exists()
    return uploads.select_for_update(of=("self",)).select_related("original", "focus").first()


def _choose_focus(upload: Upload, point: str) -> None:
    """Set an upload's focal point, and delete the original's unused points.

    Call this in a transaction that has locked the original, because its focal points are shared.
    """
    upload.focus = None
    if point != AUTOMATIC:
        upload.focus, _ = Focus.objects.get_or_create(original_id=upload.original_id, point=point)
    upload.save(update_fields=["focus"])
    # Points of deleted uploads stay until these are purged, because they may be restored.
    Focus.objects.filter(original=upload.original_id, uploads=None, former_files=None).delete()


def _start_again(upload: Upload) -> None:
    """Start an upload's chain after the commit, even if another chain is running.

    A running chain only knows the earlier recipes. After a crash, the sweeper starts the upload, because it
    is recorded as not queued.
    """
    prepare_again(uploads=[upload], force=False, presets=(), bulk=False)
    upload.next_step, upload.queued_at, upload.bulk = Step.Name.GENERATE_THUMBNAILS, None, False
    upload.save(update_fields=["next_step", "queued_at", "bulk"])
    transaction.on_commit(partial(pipeline.start, upload))


def _keep_private(upload: Upload, visibility: str) -> None:
    """Make an upload private if its owner sends it again as private; never make it public."""
    if visibility == Upload.Visibility.PRIVATE:
        update_upload(upload=upload, visibility=visibility)
