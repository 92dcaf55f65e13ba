"""Originals: stored once under their content hash."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import Any, BinaryIO

from django.conf import settings
from django.core.files.base import File
from django.db import transaction
from django.db.models import ProtectedError

from processing.errors import Refusal
from processing.fingerprint import original_key, public_key
from processing.garbage import pending_files
from processing.images.reading.header import Header
from processing.models import Original
from processing.spans import span
from processing.storages.media import FileMissing, call_storage, media, require_storage

# The bytes that are copied at once.
_CHUNK = 1 << 20


def store(*, content_hash: str, file: File[Any]) -> None:
    """Write the file under its key; a repeat writes the same bytes again.

    Raises `StorageUnavailable`.
    """
    file.seek(0)
    with span("write", kind="original"):
        call_storage(lambda: media.save(original_key(content_hash), file))


class OriginalLost(Refusal):
    """The original's file is missing or damaged."""

    code = "original_lost"
    title = "The original is lost"
    status = HTTPStatus.INTERNAL_SERVER_ERROR


def ensure_stored(*, content_hash: str, file: File[Any]) -> bool:
    """Write the file unless it is stored and whole; return whether it was written.

    So the right bytes heal a lost or damaged original. Raises `StorageUnavailable`.
    """
    original = Original.objects.filter(content_hash=content_hash).first()
    size = _stored_size(content_hash)
    if original is not None and size == original.byte_size and not original.suspect:
        return False
    # An existing file may be unknown. A record would have the collector remove it if this process dies.
    if size is None:
        pending_files.announce([original_key(content_hash)])
    store(content_hash=content_hash, file=file)
    if original is not None:
        # Its renditions may be lost too. The caller clears `suspect` when it restarts the failed uploads.
        original.renditions.update(redo=True)
    return True


def abandon(content_hash: str) -> None:
    """Have a file that was written for a refused upload removed at once, unless it has a row."""
    pending_files.hasten([original_key(content_hash)])


def claim(*, content_hash: str, byte_size: int, header: Header) -> Original:
    """Return the row of an original whose file is stored; create it if it is missing.

    Call this in the transaction that refers to the row. The row stays locked until that transaction ends, so
    the collector either waits or has already removed it. Raises `FileRemoved` if it has, or
    `StorageUnavailable`.
    """
    known = Original.objects.select_for_update().filter(content_hash=content_hash).first()
    if known is not None:
        return known
    pending_files.settle([original_key(content_hash)])
    # A record does not prove that the file exists: a removal may have been cut off, or another request has
    # announced the file and not written it yet.
    if _stored_size(content_hash) != byte_size:
        raise pending_files.FileRemoved(f"{content_hash[:12]} was removed before it got a row.")
    return create(content_hash=content_hash, byte_size=byte_size, header=header)


def lost() -> OriginalLost:
    """Return the refusal of a lost original, with its sentence."""
    return OriginalLost("The original file is lost or damaged. Upload it again to restore it.")


def flag(original: Original) -> None:
    """Record that the original's file is lost or damaged, until the right bytes arrive."""
    Original.objects.filter(pk=original.pk).update(suspect=True)


def lock(original: Original) -> bool:
    """Lock the original's row until the transaction ends; return whether it exists."""
    return Original.objects.select_for_update().filter(pk=original.pk).exists()


def create(*, content_hash: str, byte_size: int, header: Header) -> Original:
    """Return the row of an original whose file is stored; another request may have created it."""
    original, _ = Original.objects.get_or_create(
        content_hash=content_hash,
        defaults={
            "public_key": public_key(content_hash=content_hash, secret=settings.SECRET_KEY),
            "format": header.format,
            "width": header.width,
            "height": header.height,
            "byte_size": byte_size,
            "transparent": None if header.has_alpha else False,
        },
    )
    return original


def read(original: Original) -> bytes:
    """Return all bytes of the original.

    Raises `StorageUnavailable`, or `OriginalLost` if the file is missing or has another content hash.
    """
    try:
        with (
            span("read", kind="original"),
            call_storage(lambda: media.open(original_key(original.content_hash))) as file,
        ):
            data: bytes = call_storage(file.read)
    except FileMissing as error:
        require_storage()
        flag(original)
        raise lost() from error
    if hashlib.sha256(data).hexdigest() != original.content_hash:
        flag(original)
        raise lost()
    return data


def copy(original: Original, target: BinaryIO) -> None:
    """Write all bytes of the original to a file, in constant memory.

    Raises `StorageUnavailable`, or `OriginalLost` if the file is missing or has another content hash.
    """
    digest = hashlib.sha256()
    try:
        with open_file(original) as file:
            while chunk := call_storage(lambda: file.read(_CHUNK)):
                digest.update(chunk)
                target.write(chunk)
    except FileMissing as error:
        require_storage()
        flag(original)
        raise lost() from error
    if digest.hexdigest() != original.content_hash:
        flag(original)
        raise lost()


def open_file(original: Original) -> File[Any]:
    """Return the original's file, open for reading.

    Raises `StorageUnavailable` or `FileMissing`.
    """
    return call_storage(lambda: media.open(original_key(original.content_hash)))


def remove(*, original_id: int) -> bool:
    """Remove an unused original with its renditions; return whether it is gone.

    Their files are removed later (`processing.garbage.pending_files`).
    """
    with transaction.atomic():
        original = Original.objects.select_for_update().filter(pk=original_id).first()
        if original is None:
            return False
        keys = [*original.renditions.values_list("key", flat=True), original_key(original.content_hash)]
        try:
            original.delete()
        except ProtectedError:
            return False
        pending_files.discard(keys)
    return True


def _stored_size(content_hash: str) -> int | None:
    """Return the size of an original's file, or None if it does not exist."""
    try:
        return call_storage(lambda: media.size(original_key(content_hash)))
    except FileMissing:
        return None
