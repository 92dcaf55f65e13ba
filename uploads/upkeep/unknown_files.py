"""Unknown files: neither a row nor a pending record names them.

After the restoration of a backup, the database may be wrong. So only an operator adopts or removes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, cast

from processing import clock, conf
from processing.errors import Refusal
from processing.fingerprint import original_key
from processing.garbage import generations, pending_files
from processing.garbage.generations import GenerationDiffers
from processing.garbage.pending_files import FileRemoved
from processing.models import PendingFile, StorageState
from processing.renderer.rendering import ReaderBusy, read_header
from processing.storages.media import FileMissing, StorageUnavailable, call_storage, media
from uploads import services

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# The number of keys that are compared with the database in one query.
_BATCH = 500
# Seconds after which a partial file counts as left by a crash.
_INCOMPLETE_AGE = 24 * 3600


@dataclass(slots=True)
class Found:
    """The files without a row, each key with its modification time in seconds.

    `unfinished` files have a record that is not due, and `orphaned` files one that is due for removal. No
    record names `unknown` files.
    """

    unknown: dict[str, float] = field(default_factory=dict)
    orphaned: dict[str, float] = field(default_factory=dict)
    unfinished: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Adopted:
    """The keys of adopted originals, and of those that are damaged or not an accepted image."""

    adopted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def find() -> Found:
    """Return the files without a row. Reads no file, but lists the whole storage.

    Raises `StorageUnavailable`.
    """
    found = Found()
    for folder in ("originals", "renditions"):
        files = media.walk(folder)
        while batch := call_storage(lambda: list(islice(files, _BATCH))):  # noqa: B023 (called at once)
            _sort(dict(batch), found)
    return found


def count() -> None:
    """Count the unknown files for the status page, and remove old partial files.

    Raises `StorageUnavailable`.
    """
    call_storage(lambda: media.remove_incomplete(seconds=_INCOMPLETE_AGE))
    with suppress(GenerationDiffers):
        # The daily new generation makes older backups differ, even if no original has arrived.
        generations.advance()
    number = len(find().unknown)
    StorageState.objects.update_or_create(
        pk=1, defaults={"unknown_files": number, "compared_at": clock.now()}
    )


def adopt(found: Found, *, owner: User) -> Adopted:
    """Make uploads of originals that have no row, for `owner`; their renditions are rendered in bulk.

    Raises `StorageUnavailable`.
    """
    result = Adopted()
    for key, modified_at in (found.unknown | found.unfinished).items():
        if _is_original(key):
            adopted = _adopt(key, owner=owner, sent_at=datetime.fromtimestamp(modified_at, tz=UTC))
            (result.adopted if adopted else result.refused).append(key)
    return result


def delete(keys: Collection[str]) -> list[str]:
    """Delete unknown files for good; return the keys of those that were still unknown.

    Raises `GenerationDiffers` or `StorageUnavailable`.
    """
    generations.advance()
    return [key for key in keys if pending_files.remove(key)]


def _sort(files: dict[str, float], found: Found) -> None:
    # A key moves between the records and the rows in one transaction, in either direction. So the records are
    # read before and after the rows, and a file that is in none of the three results is unknown.
    pending = _pending(files)
    named = pending_files.named(files)
    pending |= _pending(files)
    now = clock.now()
    for key, modified_at in files.items():
        if key in named:
            continue
        due_at = pending.get(key)
        kind = found.unknown if due_at is None else found.orphaned if due_at <= now else found.unfinished
        kind[key] = modified_at


def _pending(keys: Collection[str]) -> dict[str, datetime]:
    return dict(PendingFile.objects.filter(key__in=keys).values_list("key", "due_at"))


def _is_original(key: str) -> bool:
    content_hash = key.rpartition("/")[2]
    return len(content_hash) == hashlib.sha256().digest_size * 2 and key == original_key(content_hash)


def _adopt(key: str, *, owner: User, sent_at: datetime) -> bool:
    content_hash = key.rpartition("/")[2]
    try:
        with call_storage(lambda: media.open(key)) as file:
            digest = call_storage(lambda: hashlib.file_digest(cast("BytesIO", file), "sha256"))
            if digest.hexdigest() != content_hash:
                return False
            file.seek(0)
            header = call_storage(
                lambda: read_header(
                    cast("BinaryIO", file),
                    name=key,
                    limits=conf.limits(),
                    options=conf.renderer_options(),
                )
            )
            services.adopt_original(
                owner=owner, content_hash=content_hash, byte_size=file.size, header=header, sent_at=sent_at
            )
    except ReaderBusy as error:
        # The file may be an image, and must not be deleted as one that was refused.
        raise StorageUnavailable(str(error)) from error
    except (Refusal, FileMissing, FileRemoved):
        return False
    return True
