"""Originals are stored once under their content hash, and removed when no upload refers to them."""

import errno
import hashlib
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile

from processing import originals, steps
from processing.fingerprint import original_key
from processing.garbage import pending_files
from processing.images.reading.header import Header
from processing.models import Lease, Original, Rendition
from processing.originals import OriginalLost
from processing.storages.local import LocalStorage
from processing.storages.media import FileMissing, StorageUnavailable
from tests.conftest import MakeImage, assert_storage_matches_rows, stored_digest, stored_keys
from tests.processing.conftest import StoreOriginal
from tests.threads import run_at_once
from uploads.models import Upload


def test_original_is_stored_under_its_hash(store_original: StoreOriginal, make_image: MakeImage) -> None:
    data = make_image()
    original = store_original(data)
    assert original.content_hash == hashlib.sha256(data).hexdigest()
    assert stored_keys() == {f"originals/{original.content_hash[:2]}/{original.content_hash}"}
    assert originals.read(original) == data
    with originals.open_file(original) as file:
        assert file.read() == data


def test_row_contains_the_values_of_the_header(store_original: StoreOriginal, make_image: MakeImage) -> None:
    data = make_image(width=60, height=40, format="PNG")
    original = store_original(data)
    assert (original.format, original.width, original.height) == ("png", 60, 40)
    assert (original.byte_size, original.transparent) == (len(data), False)
    assert len(original.public_key) == 40


def test_transparency_is_unknown_before_decoding(
    store_original: StoreOriginal, make_image: MakeImage
) -> None:
    assert store_original(make_image(format="PNG", mode="RGBA")).transparent is None


def test_storing_twice_changes_nothing(store_original: StoreOriginal, make_image: MakeImage) -> None:
    data = make_image()
    assert store_original(data) == store_original(data)
    assert Original.objects.count() == 1
    assert_storage_matches_rows()


@pytest.mark.django_db(transaction=True)
def test_storing_concurrently_creates_one_row(store_original: StoreOriginal, make_image: MakeImage) -> None:
    data = make_image()
    assert run_at_once(*[lambda: store_original(data)] * 6) == [None] * 6
    assert Original.objects.count() == 1
    assert_storage_matches_rows()


def test_file_that_was_partly_read_is_stored_completely(db: None) -> None:
    file = ContentFile(b"0123456789")
    file.seek(5)
    originals.store(content_hash="cd" * 32, file=file)
    assert stored_digest(original_key("cd" * 32)) == hashlib.sha256(b"0123456789").hexdigest()


def test_lost_file_is_missing(store_original: StoreOriginal) -> None:
    original = store_original()
    pending_files.delete_file(original_key(original.content_hash))
    with pytest.raises(OriginalLost):
        originals.read(original)
    with pytest.raises(FileMissing):
        originals.open_file(original)


def test_full_disk_means_storage_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(self: LocalStorage, name: str, content: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LocalStorage, "_save", fill)
    with pytest.raises(StorageUnavailable, match="No space left on device"):
        originals.store(content_hash="cd" * 32, file=ContentFile(b"x"))


def test_deleting_a_file_twice_is_no_error(store_original: StoreOriginal) -> None:
    key = original_key(store_original().content_hash)
    pending_files.delete_file(key)
    pending_files.delete_file(key)
    assert stored_keys() == set()


def test_removal_deletes_rows_and_files(store_original: StoreOriginal) -> None:
    original, other = store_original(), store_original(b"GIF89a" + bytes([9, 0, 9, 0, 0, 0, 0]) + GIF_FRAME)
    steps.run(step="generate_thumbnails", content_hash=original.content_hash)
    assert originals.remove(original_id=original.pk)
    assert list(Original.objects.all()) == [other]
    assert not Rendition.objects.exists()
    assert not Lease.objects.exists()
    assert_storage_matches_rows()
    assert not originals.remove(original_id=original.pk)


GIF_FRAME = b",\0\0\0\0\x09\0\x09\0\0\x02\x02\x4c\x01\0;"


def test_original_with_an_upload_is_kept(store_original: StoreOriginal, owner: User) -> None:
    original = store_original()
    steps.run(step="generate_thumbnails", content_hash=original.content_hash)
    Upload.objects.create(owner=owner, original=original, filename="photo.jpg")
    assert not originals.remove(original_id=original.pk)
    assert original.renditions.count() == 2
    assert_storage_matches_rows()


def test_first_header_determines_the_row(db: None) -> None:
    header = Header("webp", 5, 7, has_alpha=True)
    first = originals.create(content_hash="ef" * 32, byte_size=9, header=header)
    again = originals.create(content_hash="ef" * 32, byte_size=9, header=Header("png", 1, 1, has_alpha=False))
    assert (again.pk, again.format, again.width) == (first.pk, "webp", 5)
