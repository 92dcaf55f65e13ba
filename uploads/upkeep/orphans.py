"""Orphaned files: a process that is killed between storing a file and creating its row leaves one."""

import logging
import re
from collections.abc import Collection, Iterator
from itertools import islice
from time import time
from typing import BinaryIO, cast

from django.db import transaction
from django.db.models import Q

from processing import conf, originals
from processing.errors import Refusal
from processing.fingerprint import original_key
from processing.images.reading.header import read_header
from processing.models import Original, Rendition
from processing.storages.media import FileMissing, StorageUnavailable, call_storage, media
from uploads.models import Upload

logger = logging.getLogger(__name__)

# The number of keys that are compared with the rows in one query.
_BATCH = 500
# Seconds after which a file without a row no longer gets one.
_OLD = 3600
# The number of orphaned files that crashes can plausibly leave in a day.
_MOST = 100
_HASH = re.compile(r"[0-9a-f]{64}")


def find(*, age: float = 0) -> Iterator[str]:
    """Yield the keys of files without a row that were last written at least `age` seconds ago.

    Leaves out renditions of originals with unfinished work. Reads no file. Raises `StorageUnavailable`.
    """
    oldest = time() - age
    for folder in ("originals", "renditions"):
        files = media.walk(folder)
        while batch := _next_of(files):
            yield from _without_rows([key for key, modified_at in batch if modified_at <= oldest])


def remove_old() -> int:
    """Remove old orphaned files; return how many.

    Nothing is removed if there are more than `_MOST`, or more than there are rows. The database is then
    probably lost, outdated or the wrong one, and an operator has to look.
    """
    try:
        keys = list(islice(find(age=_OLD), _MOST + 1))
        if len(keys) > min(_MOST, Original.objects.count() + Rendition.objects.count()):
            logger.error("Too many orphaned files, so none is removed. Is this the right database?")
            return 0
        for key in keys:
            remove(key)
    except StorageUnavailable as error:
        logger.warning("Could not remove orphaned files: %s", error)
        return 0
    if keys:
        logger.info("Removed %s orphaned files.", len(keys))
    return len(keys)


def remove(key: str) -> None:
    """Remove an orphaned file, unless a row names it by now.

    An original gets a row instead, and the collector removes it later. Raises `StorageUnavailable`.
    """
    if _is_original(key) and _adopt(key):
        return
    with transaction.atomic():
        # No worker can start to render an original while its row is locked.
        Original.objects.select_for_update().filter(public_key=_public_key(key)).exists()
        if _without_rows([key]):
            originals.delete_file(key)


def _is_original(key: str) -> bool:
    content_hash = key.rpartition("/")[2]
    return bool(_HASH.fullmatch(content_hash)) and key == original_key(content_hash)


def _adopt(key: str) -> bool:
    """Create a row for an orphaned original, so that the collector removes it; return whether it has one.

    An upload of the same bytes uses this row and keeps the file.
    """
    content_hash = key.rpartition("/")[2]
    try:
        with call_storage(lambda: media.open(key)) as file:
            header = call_storage(lambda: read_header(cast("BinaryIO", file), name=key, limits=conf.limits()))
            originals.create(content_hash=content_hash, byte_size=file.size, header=header)
    except (Refusal, FileMissing):
        # A refused file cannot be uploaded, so it needs no row.
        return False
    return True


def _next_of(files: Iterator[tuple[str, float]]) -> list[tuple[str, float]]:
    return call_storage(lambda: list(islice(files, _BATCH)))


def _without_rows(keys: Collection[str]) -> list[str]:
    # Query the work first: work that ends between the two queries has its rows by the second.
    in_work, named = _in_work(keys), _named(keys)
    return [
        key
        for key in keys
        # The marker of an empty folder in the repository is not media.
        if key not in named and _public_key(key) not in in_work and not key.endswith("/.gitkeep")
    ]


def _named(keys: Collection[str]) -> set[str]:
    content_hashes = [key.rpartition("/")[2] for key in keys]
    found = Original.objects.filter(content_hash__in=content_hashes).values_list("content_hash", flat=True)
    return {*map(original_key, found), *Rendition.objects.filter(key__in=keys).values_list("key", flat=True)}


def _in_work(keys: Collection[str]) -> set[str]:
    """Return the public keys of the originals that are being rendered or will be soon."""
    busy = Q(leases__isnull=False) | Q(uploads__status__in=Upload.UNFINISHED, uploads__deleted_at=None)
    public_keys = {_public_key(key) for key in keys}
    return set(Original.objects.filter(busy, public_key__in=public_keys).values_list("public_key", flat=True))


def _public_key(key: str) -> str:
    """Return the public key in a rendition's path, or "" for another file."""
    folders = key.split("/")
    return folders[2] if len(folders) == 4 else ""
