"""Originals: stored once under their content hash."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.files.base import File
from django.db import transaction
from django.db.models import PROTECT, ProtectedError

from processing.fingerprint import original_key, public_key
from processing.images.reading.header import Header
from processing.models import Original
from processing.storages.media import FileMissing, StorageUnavailable, call_storage, media


def store(*, content_hash: str, file: File[Any]) -> None:
    """Write the file under its key; a repeat writes the same bytes again.

    Raises `StorageUnavailable`.
    """
    file.seek(0)
    call_storage(lambda: media.save(original_key(content_hash), file))


class Vanished(Exception):
    """The collector removed the original's row and file before they could be used: look again."""


def store_unless_known(*, content_hash: str, file: File[Any]) -> bool:
    """Write the file unless its original has a row; return whether it was written and still has no row.

    If another request creates the row meanwhile, the collector may delete it, with the file, before the
    caller uses it. Raises `StorageUnavailable`.
    """
    if _is_known(content_hash):
        return False
    store(content_hash=content_hash, file=file)
    return not _is_known(content_hash)


def claim(*, content_hash: str, byte_size: int, header: Header, file: File[Any], stored: bool) -> Original:
    """Return the row of an original; create it if it is missing and its file was `stored`.

    Call this in the transaction that refers to the row. The row stays locked until that transaction ends, so
    the collector either waits or has already removed it. Raises `Vanished` and `StorageUnavailable`.
    """
    known = Original.objects.select_for_update().filter(content_hash=content_hash).first()
    if known is None:
        if not stored:
            raise Vanished
        return create(content_hash=content_hash, byte_size=byte_size, header=header)
    if _is_unused(known):
        # The collector may have been killed after deleting some of its files.
        restore(known, file=file)
    return known


def restore(original: Original, *, file: File[Any]) -> None:
    """Write the file of a half-removed original again, and have its renditions rendered again.

    Call this in a transaction that has locked the original's row. Raises `StorageUnavailable`.
    """
    store(content_hash=original.content_hash, file=file)
    original.renditions.update(redo=True)


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

    Raises `StorageUnavailable` or `FileMissing`.
    """
    try:
        with call_storage(lambda: media.open(original_key(original.content_hash))) as file:
            data: bytes = call_storage(file.read)
    except FileMissing as error:
        if not call_storage(media.is_there):
            raise StorageUnavailable(
                "The storage is missing. Check that its disk is mounted or that its bucket exists."
            ) from error
        raise
    return data


def open_file(original: Original) -> File[Any]:
    """Return the original's file, open for reading.

    Raises `StorageUnavailable` or `FileMissing`.
    """
    return call_storage(lambda: media.open(original_key(original.content_hash)))


def remove(*, original_id: int) -> bool:
    """Remove an unused original with its renditions; return whether it is gone.

    The row is locked while the files are deleted. A request that sends the same bytes meanwhile waits, finds
    no row, and stores them again. Raises `StorageUnavailable`. The row then remains with some of its files,
    as after a crash: a repeat removes the rest, or `restore` completes them.
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
        for key in keys:
            delete_file(key)
    return True


def _is_known(content_hash: str) -> bool:
    return Original.objects.filter(content_hash=content_hash).exists()


def _is_unused(original: Original) -> bool:
    """Return whether no row protects the original from deletion."""
    keepers = [one for one in Original._meta.related_objects if one.on_delete is PROTECT]
    return not any(getattr(original, str(one.get_accessor_name())).exists() for one in keepers)


def delete_file(key: str) -> None:
    """Delete a file; ignore it if it is already gone.

    Raises `StorageUnavailable`.
    """
    with suppress(FileMissing):
        call_storage(lambda: media.delete(key))
