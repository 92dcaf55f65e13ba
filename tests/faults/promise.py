"""Check the whole promise on a site's database and storage.

Run as a module in the environment of a site, it reads lines of JSON that describe what the site has accepted.
It prints a JSON list of violations for each line.
"""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypedDict

from django.core.files.storage import default_storage
from django.db import connections
from django.db.models import QuerySet
from django.utils import timezone

from processing import conf, renditions
from processing.fingerprint import original_key
from processing.garbage import generations
from processing.models import Focus, Lease, Original, Rendition
from processing.storages.local import LocalStorage
from processing.storages.media import FileMissing, call_storage
from processing.storages.s3 import S3Storage
from uploads.models import Delivery, Event, Upload


class Answered(TypedDict):
    """The uploads that a site has accepted: the SHA-256 of each by id, and the ids of deleted ones."""

    sent: dict[str, str]
    deleted: list[str]


def violations(answered: Answered) -> list[str]:
    """Return a sentence for each violation of the promise. A site at rest has none."""
    return [
        *_lost(answered),
        *_unfinished(),
        *_broken_files(),
        *_strays(),
        *_broken_renditions(),
        *_broken_histories(),
        *_broken_notices(),
        *_leftover_rows(),
    ]


def _lost(answered: Answered) -> Iterator[str]:
    """Every accepted upload still exists with its bytes, unless it was deleted."""
    rows = Upload.objects.filter(deleted_at=None).values_list("pk", "original__content_hash")
    there = {str(pk): content_hash for pk, content_hash in rows}
    deleted = set(answered["deleted"])
    for upload_id, content_hash in answered["sent"].items():
        if upload_id in deleted:
            if upload_id in there:
                yield f"upload {upload_id} is there although it was deleted"
        elif there.get(upload_id) != content_hash:
            yield f"upload {upload_id} is lost: it has {there.get(upload_id)} instead of {content_hash}"


def _unfinished() -> Iterator[str]:
    """Every upload is ready, or has failed with a reason."""
    for upload in Upload.objects.filter(deleted_at=None):
        if upload.is_unfinished:
            yield f"upload {upload.pk} is still {upload.status}"
        if upload.status == Upload.Status.FAILED and not (upload.error_code and upload.error_detail):
            yield f"upload {upload.pk} failed without a reason"


def _expected_files() -> dict[str, str]:
    """Return the SHA-256 that each file must have, by key."""
    hashes = Original.objects.values_list("content_hash", flat=True)
    return {original_key(content_hash): content_hash for content_hash in hashes} | dict(
        Rendition.objects.values_list("key", "digest")
    )


def _broken_files() -> Iterator[str]:
    """Every row has its complete file."""
    for key, digest in _expected_files().items():
        try:
            with call_storage(lambda key=key: default_storage.open(key)) as file:  # type: ignore[misc]
                stored = hashlib.sha256(file.read()).hexdigest()
        except FileMissing:
            yield f"file {key} is missing"
        else:
            if stored != digest:
                yield f"file {key} is damaged"


def _strays() -> Iterator[str]:
    """There are no other files, not even partial ones."""
    expected = _expected_files()
    return (f"file {key} belongs to nothing" for key in sorted(stored_keys()) if key not in expected)


def stored_keys() -> set[str]:
    """Return the keys of all files in the storage."""
    if isinstance(default_storage, S3Storage):
        return {key for folder in ("originals", "renditions") for key, _ in default_storage.walk(folder)}
    assert isinstance(default_storage, LocalStorage)
    root = Path(default_storage.location)
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return files - {generations.KEY}


def _broken_renditions() -> Iterator[str]:
    """Ready originals have one row for each (preset, format, focus). None is stale or superfluous."""
    for original in Original.objects.filter(uploads__status=Upload.Status.READY).distinct():
        for recipe in renditions.missing(original, conf.presets()):
            yield f"original {original} lacks {recipe.preset.name} as {recipe.format} {recipe.focus}".strip()
        for row in renditions.unwanted_rows(original):
            yield f"nobody wants the rendition {row}"
    rows = Rendition.objects.values_list("original__content_hash", "preset", "format", "focus")
    yield from (f"rendition {row} is there twice" for row in _repeated(rows))


def _broken_histories() -> Iterator[str]:
    """Each version has each event once, in order, and matching its status. It was not deleted last."""
    for upload in Upload.objects.filter(deleted_at=None).prefetch_related("events"):
        events = sorted(upload.events.all(), key=lambda event: event.pk)
        if not _is_history(events, upload):
            names = [event.name for event in events]
            yield f"upload {upload.pk} is {upload.status} with the events {names}"


def _is_history(events: list[Event], upload: Upload) -> bool:
    """Return whether the order of events is possible. A failed upload may have become ready later."""
    moves = [event.name for event in events if event.name in (Event.Name.DELETED, Event.Name.RESTORED)]
    if moves != [Event.Name.DELETED, Event.Name.RESTORED] * (len(moves) // 2):
        return False
    versions = [
        [event.name for event in events if event.version == version] for version in range(upload.version + 1)
    ]
    if sum(map(len, versions)) < len(events) or not all(map(_has_each_once, versions)):
        return False
    if [names[:1] for names in versions] != [
        [Event.Name.RECEIVED],
        *[[Event.Name.REPLACED]] * upload.version,
    ]:
        return False
    told = versions[-1]
    names = [name for name in told if name not in Event.REPEATED]
    ready, failed = Event.Name.READY in names, Event.Name.FAILED in names
    if ready and Event.Name.THUMBNAILS_READY not in names[: names.index(Event.Name.READY)]:
        return False
    if Event.Name.REPROCESSED in told and not ready:
        return False
    return ready if upload.status == Upload.Status.READY else failed


def _has_each_once(names: list[str]) -> bool:
    once = [name for name in names if name not in Event.REPEATED]
    return len(set(once)) == len(once) and names.count(Event.Name.REPLACED) <= 1


def _broken_notices() -> Iterator[str]:
    """Each (event, channel) has one delivery, in-app exists for each end, and none is overdue."""
    people = [Delivery.Channel.IN_APP, Delivery.Channel.EMAIL]
    rows = Delivery.objects.filter(channel__in=people).values_list("event", "channel")
    yield from (f"delivery {row} is there twice" for row in _repeated(rows))
    told = Event.objects.filter(name__in=[Event.Name.READY, Event.Name.FAILED])
    for event in told.exclude(deliveries__channel=Delivery.Channel.IN_APP):
        yield f"event {event} was told to nobody"
    for delivery in Delivery.objects.filter(delivered_at=None, next_attempt_at__lte=timezone.now()):
        yield f"delivery {delivery.pk} is overdue"


def _leftover_rows() -> Iterator[str]:
    """Deleted uploads leave nothing behind, and no lease is held."""
    yield from (f"upload {upload.pk} was not purged" for upload in Upload.objects.exclude(deleted_at=None))
    yield from (f"original {original} is nobody's" for original in _unused(Original.objects.all()))
    yield from (f"the focus {focus} is nobody's" for focus in _unused(Focus.objects.all()))
    yield from (f"the lease {lease} is left" for lease in Lease.objects.select_related("original"))


def _unused(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.filter(uploads=None, former_files=None)


def _repeated(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [row for row, count in Counter(rows).items() if count > 1]


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(violations(json.loads(line))), flush=True)
        # The database may be killed before the next line.
        connections.close_all()
