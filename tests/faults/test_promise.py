"""The check of the promise: it finds every violation, and none in an intact site."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from processing.models import Focus, Lease, Original, Rendition
from tests.conftest import Send
from tests.faults.promise import Answered, violations
from uploads import completion
from uploads.models import Delivery, Event, Upload

pytestmark = [pytest.mark.django_db, pytest.mark.any_database, pytest.mark.slow]

ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def upload(send: Send) -> Upload:
    """Return a ready upload without pending work."""
    upload = send()
    completion.run_here(upload)
    Delivery.objects.update(delivered_at=timezone.now())
    upload.refresh_from_db()
    return upload


def answered(*uploads: Upload, deleted: list[str] | None = None) -> Answered:
    sent = {str(upload.pk): upload.original.content_hash for upload in uploads}
    return {"sent": sent, "deleted": deleted or []}


def rendition_path() -> Path:
    return Path(settings.MEDIA_ROOT) / Rendition.objects.filter(preset="small")[0].key


def original_path() -> Path:
    content_hash = Original.objects.get().content_hash
    return Path(settings.MEDIA_ROOT) / "originals" / content_hash[:2] / content_hash


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap(event: Event.Name, other: Event.Name) -> None:
    """Exchange the order of two events."""
    one, two = (Event.objects.get(name=name) for name in (event, other))
    Event.objects.filter(pk=one.pk).update(name="")
    Event.objects.filter(pk=two.pk).update(name=event)
    Event.objects.filter(pk=one.pk).update(name=other)


def fail_silently() -> None:
    Upload.objects.update(status="failed")
    Event.objects.filter(name=Event.Name.READY).update(name=Event.Name.FAILED)


def add_events(*names: Event.Name) -> None:
    upload = Upload.objects.get()
    for name in names:
        Event.objects.create(owner=upload.owner, upload=upload, name=name)


def add_a_lease() -> None:
    Lease.objects.create(original=Original.objects.get(), step="resize_image", token=uuid.uuid4())


def make_overdue() -> None:
    Delivery.objects.filter(channel="email").update(delivered_at=None, next_attempt_at=timezone.now())


BREAKAGES: dict[str, tuple[Callable[[], Any], str]] = {
    "an original is missing": (lambda: original_path().unlink(), "is missing"),
    "an original is damaged": (lambda: flip_a_bit(original_path()), "is damaged"),
    "a rendition is missing": (lambda: rendition_path().unlink(), "is missing"),
    "a rendition is damaged": (lambda: flip_a_bit(rendition_path()), "is damaged"),
    "a rendition has no row": (
        lambda: Rendition.objects.filter(preset="small", format="webp").delete(),
        "lacks small as webp",
    ),
    "a rendition is stale": (
        lambda: Rendition.objects.filter(preset="small").update(fingerprint=""),
        "lacks small",
    ),
    "a file is half written": (
        lambda: rendition_path().with_name(".0.part").write_bytes(b"half"),
        "belongs to nothing",
    ),
    "an upload stands still": (lambda: Upload.objects.update(status="processing"), "is still processing"),
    "an upload fails without a reason": (fail_silently, "failed without a reason"),
    "an upload has other bytes": (lambda: Original.objects.update(content_hash="0" * 64), "is lost"),
    "an upload stays hidden": (
        lambda: Upload.objects.update(deleted_at=timezone.now()),
        "was not purged",
    ),
    "a lease stays": (add_a_lease, "is left"),
    "the end is not told": (lambda: Event.objects.filter(name="upload.ready").delete(), "with the events"),
    "the beginning is not told": (
        lambda: Event.objects.filter(name="upload.received").delete(),
        "with the events",
    ),
    "the thumbnails are told too late": (
        lambda: swap(Event.Name.THUMBNAILS_READY, Event.Name.READY),
        "with the events",
    ),
    "a deletion is not taken back": (
        lambda: add_events(Event.Name.DELETED, Event.Name.RESTORED, Event.Name.DELETED),
        "with the events",
    ),
    "a restoration is told twice": (
        lambda: add_events(Event.Name.DELETED, Event.Name.RESTORED, Event.Name.RESTORED),
        "with the events",
    ),
    "a focus is not rendered": (
        lambda: Upload.objects.update(
            focus=Focus.objects.create(original=Original.objects.get(), point="1.1")
        ),
        "lacks thumb as webp 1.1",
    ),
    "a focus is nobody's": (
        lambda: Focus.objects.create(original=Original.objects.get(), point="1.1"),
        "focus 1.1 is nobody's",
    ),
    "a rendition is of no focus": (
        lambda: Rendition.objects.filter(preset="thumb", format="webp").update(focus="1.1"),
        "nobody wants the rendition",
    ),
    "nobody is told": (lambda: Delivery.objects.filter(channel="in_app").delete(), "told to nobody"),
    "a notice is not delivered": (make_overdue, "is overdue"),
}


def test_intact_site_has_no_violation(upload: Upload) -> None:
    assert violations(answered(upload)) == []


def test_repeatedly_restored_upload_has_no_violation(upload: Upload) -> None:
    add_events(*[Event.Name.DELETED, Event.Name.RESTORED] * 2, Event.Name.REPROCESSED, Event.Name.REPROCESSED)
    assert violations(answered(upload)) == []


@pytest.mark.parametrize("name", BREAKAGES)
def test_each_breakage_is_found(upload: Upload, name: str) -> None:
    break_it, found = BREAKAGES[name]
    sent = answered(upload)
    break_it()
    assert any(found in violation for violation in violations(sent))


def test_lost_upload_is_found(upload: Upload) -> None:
    gone = answered(upload)
    upload.delete()
    assert any("is lost" in violation for violation in violations(gone))
    assert any("is nobody's" in violation for violation in violations(gone))


def test_reappearing_deleted_upload_is_found(upload: Upload) -> None:
    assert violations(answered(upload, deleted=[str(upload.pk)])) == [
        f"upload {upload.pk} is there although it was deleted"
    ]


def test_deleted_upload_may_be_missing(upload: Upload) -> None:
    sent = answered(upload)
    sent["sent"][ID] = "0" * 64
    assert violations(sent) != []
    sent["deleted"].append(ID)
    assert violations(sent) == []


@pytest.mark.postgresql  # SQLite cannot drop a constraint in a transaction.
@pytest.mark.parametrize(
    ("model", "constraint"),
    [
        (Event, "one_event_a_version_unless_repeatable"),
        (Delivery, "one_delivery_a_channel"),
        (Rendition, "one_row_a_rendition"),
    ],
)
def test_duplicate_row_is_found(upload: Upload, model: type[Model], constraint: str) -> None:
    with connection.cursor() as cursor:
        # Deferred constraints would prevent the change of the table.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        if model is not Rendition:
            # A constraint with a condition is an index.
            cursor.execute(f"DROP INDEX {constraint}")
        else:
            cursor.execute(f"ALTER TABLE {model._meta.db_table} DROP CONSTRAINT {constraint}")
    repeat(model)
    assert any("twice" in found or "with the events" in found for found in violations(answered(upload)))


def repeat(model: type[Model]) -> None:
    """Store a copy of a row under another key."""
    row = model._default_manager.all()[0]
    row.pk = uuid.uuid4() if model is Delivery else None
    if isinstance(row, Rendition):
        row.key += ".again"
    row.save(force_insert=True)
