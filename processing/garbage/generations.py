"""The generation: a random value that the database shares with its storage.

It is changed in both before files are removed. If it differs, the two do not belong together: the database
is a restored backup, or a copy of the site uses the same bucket. Files that the database calls garbage may
then be in use.
"""

from __future__ import annotations

import secrets
from contextlib import closing

from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Max

from processing.models import Original, PendingFile, StorageState
from processing.storages.media import FileMissing, call_storage, media

KEY = "generation"


class GenerationDiffers(Exception):
    """The storage belongs to another state of the database, so nothing may be removed."""

    def __init__(self) -> None:
        super().__init__(
            "The database and the storage do not belong together: one of them was restored, replaced, or is "
            "used by another site. Nothing is removed. Run `manage.py audit`, then "
            "`manage.py audit --accept-database`."
        )


def agrees() -> bool:
    """Return whether the storage holds the database's generation, or neither has one yet.

    Keeps the result for the status page. Raises `StorageUnavailable`.
    """
    with transaction.atomic():
        # While the row is locked, no other process changes the generation.
        row, stored = _locked(), _stored()
        same = stored in {row.generation, row.next_generation} - {""} or not (stored or row.generation)
        if row.differs == same:
            row.differs = not same
            row.save(update_fields=["differs"])
    return same


def advance() -> None:
    """Give database and storage a new generation.

    Call this outside a transaction. Raises `GenerationDiffers` or `StorageUnavailable`.
    """
    if not agrees():
        raise GenerationDiffers
    _write(_announced())
    # Another site on the same storage may have written its own generation at the same time.
    if not agrees():
        raise GenerationDiffers


def keep_up() -> None:
    """Advance if originals were received since the last time, so that an older backup can be noticed.

    Raises `GenerationDiffers` or `StorageUnavailable`.
    """
    if not agrees():
        raise GenerationDiffers
    if _newest() != state().newest_original:
        _write(_announced())


def accept() -> None:
    """Declare the database right: it gets a new generation, and so does its storage.

    All pending files are forgotten, because the database may be wrong about them. Those that exist become
    unknown, and stay. Raises `StorageUnavailable`.
    """
    PendingFile.objects.all().delete()
    # The site that a backup was taken from may have written the backup's next generation.
    StorageState.objects.update(next_generation="")
    _write(_announced())
    StorageState.objects.update(differs=False)


def state() -> StorageState:
    """Return the row with the result of the last comparison, or a new one that is not saved."""
    return StorageState.objects.filter(pk=1).first() or StorageState(pk=1)


def _announced() -> str:
    """Record the next generation before it is written, so that a crash between the two does no harm."""
    with transaction.atomic(durable=True):
        row = _locked()
        row.next_generation = row.next_generation or secrets.token_hex(16)
        row.save(update_fields=["next_generation"])
    return row.next_generation


def _write(generation: str) -> None:
    with transaction.atomic(durable=True):
        row = _locked()
        if row.next_generation != generation:
            # Another process has written it.
            return
        newest = _newest()
        call_storage(lambda: media.save(KEY, ContentFile(generation.encode())))
        row.generation, row.next_generation, row.newest_original = generation, "", newest
        row.save(update_fields=["generation", "next_generation", "newest_original"])


def _stored() -> str:
    try:
        with closing(call_storage(lambda: media.open(KEY))) as file:
            data: bytes = call_storage(file.read)
    except FileMissing:
        return ""
    return data.decode(errors="replace")


def _newest() -> int:
    return Original.objects.aggregate(newest=Max("pk"))["newest"] or 0


def _locked() -> StorageState:
    StorageState.objects.get_or_create(pk=1)
    return StorageState.objects.select_for_update().get(pk=1)
