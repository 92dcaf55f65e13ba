"""Strays: files that no row names, as a process leaves them that is killed between a file and its row."""

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

# How many keys are compared with the rows at once.
_BATCH = 500
# Seconds after which nobody makes a row for a file any more.
_OLD = 3600
# How many files crashes may have left in a day.
_MOST = 100
_HASH = re.compile(r"[0-9a-f]{64}")


def find(*, age: float = 0) -> Iterator[str]:
    """Yield the keys of files that no row names, nobody works on and nobody wrote to for `age` seconds.

    Reads no file. Raises `StorageUnavailable`.
    """
    oldest = time() - age
    for folder in ("originals", "renditions"):
        files = media.walk(folder)
        while batch := _next_of(files):
            yield from _without_rows([key for key, modified_at in batch if modified_at <= oldest])


def remove_old() -> int:
    """Remove what crashes have left behind; return how many files that were.

    Nothing is removed where there is more of it than that, or than of anything else: the database
    is lost, the wrong one, or an old one then, and somebody has to look.
    """
    try:
        keys = list(islice(find(age=_OLD), _MOST + 1))
        if len(keys) > min(_MOST, Original.objects.count() + Rendition.objects.count()):
            logger.error("Too many files have no row to be left over, and stay: is this the right database?")
            return 0
        for key in keys:
            remove(key)
    except StorageUnavailable as error:
        logger.warning("Files without a row stay for now: %s", error)
        return 0
    if keys:
        logger.info("Removed %s files that had no row.", len(keys))
    return len(keys)


def remove(key: str) -> None:
    """Remove a stray, unless it is none any more.

    Raises `StorageUnavailable`.
    """
    if _is_original(key) and _adopt(key):
        return
    with transaction.atomic():
        # Nobody begins to render an original while its row is locked.
        Original.objects.select_for_update().filter(public_key=_public_key(key)).exists()
        if _without_rows([key]):
            originals.delete_file(key)


def _is_original(key: str) -> bool:
    content_hash = key.rpartition("/")[2]
    return bool(_HASH.fullmatch(content_hash)) and key == original_key(content_hash)


def _adopt(key: str) -> bool:
    """Give a stray original a row, with which the collector removes it; tell whether it has one now.

    Whoever sends the same bytes meanwhile finds the row, and keeps it.
    """
    content_hash = key.rpartition("/")[2]
    try:
        with call_storage(lambda: media.open(key)) as file:
            header = call_storage(lambda: read_header(cast("BinaryIO", file), name=key, limits=conf.limits()))
            originals.create(content_hash=content_hash, byte_size=file.size, header=header)
    except (Refusal, FileMissing):
        # Nobody can send what is refused.
        return False
    return True


def _next_of(files: Iterator[tuple[str, float]]) -> list[tuple[str, float]]:
    return call_storage(lambda: list(islice(files, _BATCH)))


def _without_rows(keys: Collection[str]) -> list[str]:
    # What is in work is asked first: whatever ends between the two questions has its rows by the second.
    in_work, named = _in_work(keys), _named(keys)
    return [
        key
        for key in keys
        # The folder's own marker in a fresh clone is no media.
        if key not in named and _public_key(key) not in in_work and not key.endswith("/.gitkeep")
    ]


def _named(keys: Collection[str]) -> set[str]:
    content_hashes = [key.rpartition("/")[2] for key in keys]
    found = Original.objects.filter(content_hash__in=content_hashes).values_list("content_hash", flat=True)
    return {*map(original_key, found), *Rendition.objects.filter(key__in=keys).values_list("key", flat=True)}


def _in_work(keys: Collection[str]) -> set[str]:
    """Return the public keys of those originals that are being rendered, or are about to be."""
    busy = Q(leases__isnull=False) | Q(uploads__status__in=Upload.UNFINISHED, uploads__deleted_at=None)
    public_keys = {_public_key(key) for key in keys}
    return set(Original.objects.filter(busy, public_key__in=public_keys).values_list("public_key", flat=True))


def _public_key(key: str) -> str:
    """Return the public key of the original in whose folder a file lies, "" where it is in none."""
    folders = key.split("/")
    return folders[2] if len(folders) == 4 else ""
