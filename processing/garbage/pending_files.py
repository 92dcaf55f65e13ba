"""Pending files: the database names a file before it is written, and after its row is deleted.

So removing files needs no guessing. A file that neither a row nor a record names is unknown, and stays.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from time import monotonic

from django.db import OperationalError, connection, connections, transaction
from django.db.models import QuerySet

from processing import clock
from processing.conf import darkroom
from processing.errors import TransientError
from processing.fingerprint import original_key
from processing.garbage import generations
from processing.models import Original, PendingFile, Rendition
from processing.storages.media import FileMissing, StorageUnavailable, call_storage, media

logger = logging.getLogger(__name__)

# The time within which a file that is being written gets its row. The longest step takes minutes.
_UNFINISHED = timedelta(days=1)
# The delay after a failed removal, so that one file cannot block the others.
_PUT_OFF = timedelta(minutes=1)
_BATCH = 2000
# No row can name a file with a longer key.
_LONGEST_KEY = 200


class FileRemoved(TransientError):
    """The collector has removed a file that had been written but had no row: write it again."""


def announce(keys: Collection[str]) -> None:
    """Name files that are about to be written.

    The records outlast a rollback of the caller's transaction. On SQLite they do not, because it has a single
    writer; a file that is then left over is unknown, and stays.
    """
    try:
        with transaction.atomic(durable=True):
            _record(keys, _UNFINISHED)
    except RuntimeError:
        # The caller has opened a transaction. Another thread has a connection of its own.
        if connection.vendor == "sqlite":
            _record(keys, _UNFINISHED)
        else:
            try:
                with ThreadPoolExecutor(1) as beside:
                    beside.submit(_record_beside, keys).result()
            except OperationalError:
                # The caller's own transaction holds the record.
                _record(keys, _UNFINISHED)


def settle(keys: Collection[str]) -> None:
    """End the records of written files, in the transaction that creates their rows.

    Raises `FileRemoved` if a file has been removed meanwhile, and `StorageUnavailable`.
    """
    locked = PendingFile.objects.select_for_update().filter(key__in=keys)
    ended = dict(locked.values_list("key", "due_at"))
    PendingFile.objects.filter(key__in=ended).delete()
    # The removal of a due file may have been cut off after the file was deleted.
    soon = clock.now() + _PUT_OFF
    if doubtful := {key for key in keys if key not in ended or ended[key] <= soon}:
        for key in sorted(doubtful - named(doubtful)):
            _settle_without_record(key)


def discard(keys: Collection[str]) -> None:
    """Record files as due for removal, in the transaction that deletes their rows."""
    _record(keys, timedelta())


def hasten(keys: Collection[str]) -> None:
    """Let pending files be due at once. A concurrent writer of the same file notices it in `settle`."""
    PendingFile.objects.filter(key__in=keys).update(due_at=clock.now())


def named(keys: Collection[str]) -> set[str]:
    """Return those of the keys that a row names."""
    content_hashes = [key.rpartition("/")[2] for key in keys if key.startswith("originals/")]
    found = Original.objects.filter(content_hash__in=content_hashes).values_list("content_hash", flat=True)
    rows = Rendition.objects.filter(key__in=keys).values_list("key", flat=True)
    return ({original_key(content_hash) for content_hash in found} | set(rows)) & set(keys)


def remove_due() -> int:
    """Remove due files, for at most half a task's time limit; return how many.

    A file that cannot be removed is put off. It stops the others only if the storage is unavailable. Call
    this outside a transaction. Raises `GenerationDiffers` or `StorageUnavailable`.
    """
    keys = list(_due().order_by("due_at").values_list("key", flat=True)[:_BATCH])
    if not keys:
        return 0
    generations.advance()
    removed, ends_at = 0, monotonic() + darkroom().step_time_limit / 2
    for key in keys:
        try:
            removed += _remove(key)
        except StorageUnavailable as error:
            logger.warning("Could not remove a file: %s", error)
            if not _storage_answers():
                break
        if monotonic() > ends_at:
            break
    return removed


def remove(key: str) -> bool:
    """Remove a file that no row names; return whether it is gone.

    Raises `StorageUnavailable`. The file then stays pending.
    """
    if len(key) > _LONGEST_KEY:
        delete_file(key)
        return True
    PendingFile.objects.bulk_create([PendingFile(key=key, due_at=clock.now())], ignore_conflicts=True)
    return _remove(key)


def _settle_without_record(key: str) -> None:
    """Let an unknown file get a row, unless it was removed: then it has no record either."""
    # Until the transaction ends, this record keeps `remove` from the file.
    _record([key], _UNFINISHED)
    try:
        call_storage(lambda: media.size(key))
    except FileMissing as error:
        raise FileRemoved(f"{key} was removed before it got a row.") from error
    PendingFile.objects.filter(key=key).delete()


def _storage_answers() -> bool:
    try:
        call_storage(media.check)
    except (StorageUnavailable, FileMissing):
        return False
    return True


def _due() -> QuerySet[PendingFile]:
    return PendingFile.objects.filter(due_at__lte=clock.now())


def _record(keys: Collection[str], wait: timedelta) -> None:
    due_at = clock.now() + wait
    # Sorted, so that two writers of the same files do not lock each other out.
    PendingFile.objects.bulk_create(
        [PendingFile(key=key, due_at=due_at) for key in sorted(keys)],
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["due_at"],
    )


def _record_beside(keys: Collection[str]) -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            _record(keys, _UNFINISHED)
    finally:
        connections.close_all()


def _remove(key: str) -> bool:
    try:
        with transaction.atomic():
            # A writer of the same file waits for this lock, and then writes the file again. A file whose
            # record another transaction holds is left to that one.
            record = _due().select_for_update(skip_locked=True).filter(key=key).first()
            if record is None:
                return False
            unnamed = not named([key])
            if unnamed:
                delete_file(key)
            record.delete()
    except StorageUnavailable:
        _due().filter(key=key).update(due_at=clock.now() + _PUT_OFF)
        raise
    return unnamed


def delete_file(key: str) -> None:
    """Delete a file; ignore it if it is already gone.

    Raises `StorageUnavailable`.
    """
    with suppress(FileMissing):
        call_storage(lambda: media.delete(key))
