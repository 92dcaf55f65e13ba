"""The collector removes deleted uploads and unused originals, and nothing else."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db.models import ProtectedError
from django.db.models.signals import pre_delete
from django.utils import timezone

from processing import leases, originals
from processing.fingerprint import original_key
from processing.garbage import pending_files
from processing.models import Lease, Original, PendingFile, Rendition
from tests.conftest import MakeImage, Send, assert_storage_matches_rows, stored_keys
from uploads import completion, services
from uploads.models import Event, PrivateLink, Upload
from uploads.serving import private_links
from uploads.upkeep import collector
from uploads.upkeep.collector import collect

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def incoming(settings: Any, tmp_path: Path) -> Path:
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    return tmp_path


def age(by: timedelta) -> None:
    """Move everything into the past."""
    for original in Original.objects.all():
        Original.objects.filter(pk=original.pk).update(created_at=original.created_at - by)
    for upload in Upload.objects.exclude(deleted_at=None):
        Upload.objects.filter(pk=upload.pk).update(deleted_at=(upload.deleted_at or timezone.now()) - by)


def test_deleted_upload_is_removed_after_the_grace_period(send: Send) -> None:
    upload = send()
    completion.run_here(upload)
    services.delete_upload(upload=upload)
    assert collect() == 0
    assert len(stored_keys()) == 11
    age(HOUR)
    assert collect() == 1
    assert stored_keys() == set()
    assert not any(model.objects.exists() for model in (Upload, Original, Rendition))
    assert Event.objects.filter(name="upload.deleted", upload=None).exists()
    assert collect() == 0


def test_upload_in_use_is_kept(send: Send) -> None:
    completion.run_here(send())
    age(HOUR)
    assert collect() == 0
    assert_storage_matches_rows()
    assert Original.objects.count() == 1


def test_an_expired_private_link_goes(send: Send) -> None:
    upload = send()
    services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
    kept, expired = (private_links.make(upload=upload).link for _ in range(2))
    PrivateLink.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    collect()
    assert PrivateLink.objects.get() == kept


@pytest.mark.parametrize(
    ("status", "expires_in", "stays"),
    [
        ("ready", -HOUR, False),
        ("ready", HOUR, True),
        ("ready", None, False),
        ("processing", -HOUR, True),
        ("processing", None, True),
    ],
)
def test_unused_lease_is_removed(send: Send, status: str, expires_in: timedelta | None, stays: bool) -> None:
    upload = send()
    Upload.objects.update(status=status)
    lease = leases.acquire(upload.original, "resize_image")
    Lease.objects.update(expires_at=expires_in and timezone.now() + expires_in)
    collect()
    assert Lease.objects.filter(pk=lease.pk).exists() == stays


def test_shared_original_is_kept_until_its_last_upload_is_removed(send: Send, stranger: User) -> None:
    first, last = send(), send(by=stranger)
    completion.run_here(first)
    for upload, removed in [(first, 0), (last, 1)]:
        services.delete_upload(upload=upload)
        age(HOUR)
        assert collect() == removed
        assert_storage_matches_rows()
    assert stored_keys() == set()


def test_new_original_without_an_upload_is_kept_for_a_while(send: Send) -> None:
    send().delete()
    assert collect() == 0
    age(HOUR)
    assert collect() == 1


def test_storage_failure_postpones_one_file_only(
    send: Send, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, other = send(), send(make_image(seed=90))
    for upload in (stuck, other):
        services.delete_upload(upload=upload)
    age(HOUR)
    delete = default_storage.delete

    def refuse_one(name: str) -> None:
        if stuck.original.content_hash in name:
            raise OSError("Input/output error")
        delete(name)

    with monkeypatch.context() as patch:
        patch.setattr(default_storage, "delete", refuse_one)
        assert collect() == 2
        assert collect() == 0
    assert stored_keys() == {original_key(stuck.original.content_hash)}
    assert not Original.objects.exists()
    PendingFile.objects.update(due_at=timezone.now())
    collect()
    assert stored_keys() == set()


def test_missing_file_does_not_stop_the_removal(send: Send) -> None:
    upload = send()
    services.delete_upload(upload=upload)
    age(HOUR)
    default_storage.delete(next(iter(stored_keys())))
    assert collect() == 1


def test_partly_received_file_is_removed_after_a_day(incoming: Path) -> None:
    old, new = incoming / "old.upload", incoming / "new.upload"
    for path in (old, new):
        path.write_bytes(b"half a picture")
    day_ago = time.time() - 25 * 3600
    os.utime(old, (day_ago, day_ago))
    collect()
    assert list(incoming.iterdir()) == [new]


def test_vanished_received_file_does_not_stop_the_collector(incoming: Path, send: Send) -> None:
    # A broken link behaves like an upload that finished between listing the folder and reading the file.
    (incoming / "vanished.upload").symlink_to(incoming / "nowhere")
    send().delete()
    age(HOUR)
    assert collect() == 1


def test_files_that_cannot_be_removed_do_not_stop_the_others(
    send: Send, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storage answers, but refuses more files than a sweep or a batch has."""
    stuck = [f"renditions/aa/{number}" for number in range(150)]
    for key in stuck:
        pending_files.discard([key])
    send().delete()
    age(HOUR)
    delete = default_storage.delete

    def refuse_stuck(name: str) -> None:
        if name in stuck:
            raise PermissionError("Operation not permitted")
        delete(name)

    monkeypatch.setattr(default_storage, "delete", refuse_stuck)
    assert collect() == 1
    assert stored_keys() == set()
    assert sorted(PendingFile.objects.values_list("key", flat=True)) == sorted(stuck)


def test_unavailable_storage_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pending_files.discard(["renditions/aa/1", "renditions/aa/2"])
    asked = []

    def refuse(*names: str) -> None:
        asked.append(names)
        raise OSError("Input/output error")

    monkeypatch.setattr(default_storage, "delete", refuse)
    monkeypatch.setattr(default_storage, "check", refuse)
    assert pending_files.remove_due() == 0
    assert len(asked) == 2


def test_originals_that_cannot_be_removed_do_not_stop_the_others(
    send: Send, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "_BATCH", 2)
    for seed in range(6):
        send(make_image(seed=seed)).delete()
    age(HOUR)
    *stuck, last = Original.objects.order_by("pk").values_list("pk", flat=True)
    remove = originals.remove

    def refuse_stuck(*, original_id: int) -> bool:
        if original_id in stuck:
            raise ProtectedError("A row of another app needs it.", set())
        return remove(original_id=original_id)

    monkeypatch.setattr(originals, "remove", refuse_stuck)
    assert collect() == 1
    assert not Original.objects.filter(pk=last).exists()


def test_uploads_that_cannot_be_purged_do_not_stop_the_others(
    send: Send, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "_BATCH", 2)
    for seed in range(6):
        services.delete_upload(upload=send(make_image(seed=seed)))
    age(HOUR)
    *stuck, last = Upload.objects.order_by("pk").values_list("pk", flat=True)

    def refuse_stuck(instance: Upload, **_arguments: Any) -> None:
        if instance.pk in stuck:
            raise ProtectedError("A row of another app needs it.", {instance})

    pre_delete.connect(refuse_stuck, sender=Upload)
    try:
        collect()
    finally:
        pre_delete.disconnect(refuse_stuck, sender=Upload)
    assert set(Upload.objects.values_list("pk", flat=True)) == set(stuck)
    assert not Upload.objects.filter(pk=last).exists()


def test_unreadable_incoming_files_do_not_stop_the_collector(
    incoming: Path, send: Send, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (incoming / "folder").mkdir()
    stuck = incoming / "stuck.upload"
    stuck.write_bytes(b"half a picture")
    for path in incoming.iterdir():
        os.utime(path, (0, 0))

    def refuse(_path: Path, **_options: bool) -> None:
        raise PermissionError("Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        collect()
    send().delete()
    age(HOUR)
    settings.FILE_UPLOAD_TEMP_DIR = incoming / "missing"
    assert collect() == 1
    assert stuck.exists()
