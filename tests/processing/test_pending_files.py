"""A file is removed only if the database names it as garbage, and never while a writer uses it."""

import errno
import hashlib
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone

from processing import conf, originals
from processing.fingerprint import original_key
from processing.garbage import generations, pending_files
from processing.garbage.generations import GenerationDiffers
from processing.garbage.pending_files import FileRemoved
from processing.images.reading.header import read_header
from processing.models import Original, PendingFile, StorageState
from processing.storages.local import LocalStorage
from tests.conftest import remove_garbage, stored_keys
from tests.processing.conftest import StoreOriginal

pytestmark = pytest.mark.django_db
KEY = "originals/ab/" + "ab" * 32


def write(key: str = KEY) -> str:
    default_storage.save(key, ContentFile(b"bytes"))
    return key


def make_due() -> None:
    """Let a day pass."""
    PendingFile.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def test_file_without_a_record_stays() -> None:
    write()
    make_due()
    remove_garbage()
    assert stored_keys() == {KEY}


def test_announced_file_is_kept_for_a_day(stopped_clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pending_files.announce([KEY])
    write()
    remove_garbage()
    assert stored_keys() == {KEY}
    monkeypatch.setattr(timezone, "now", lambda: stopped_clock + timedelta(days=1))
    assert pending_files.remove_due() == 1
    assert stored_keys() == set()
    assert not PendingFile.objects.exists()


def test_settled_file_is_kept(store_original: StoreOriginal) -> None:
    pending_files.announce([KEY])
    write()
    pending_files.settle([KEY])
    make_due()
    remove_garbage()
    assert stored_keys() == {KEY}


def test_file_that_a_row_names_is_kept_and_its_record_ends(store_original: StoreOriginal) -> None:
    key = original_key(store_original().content_hash)
    pending_files.announce([key])
    make_due()
    assert pending_files.remove_due() == 0
    assert stored_keys() == {key}
    assert not PendingFile.objects.exists()


def test_discarded_file_goes_at_once() -> None:
    pending_files.discard([write()])
    assert pending_files.remove_due() == 1
    assert stored_keys() == set()


def test_discarded_file_that_is_announced_again_is_kept() -> None:
    pending_files.discard([KEY])
    pending_files.announce([KEY])
    write()
    remove_garbage()
    assert stored_keys() == {KEY}


def test_settling_a_removed_file_is_an_error() -> None:
    pending_files.announce([KEY])
    write()
    make_due()
    remove_garbage()
    with pytest.raises(FileRemoved, match=KEY):
        pending_files.settle([KEY])
    write()
    pending_files.settle([KEY])
    assert not PendingFile.objects.exists()


def test_settling_a_file_that_another_writer_has_settled_is_no_error(store_original: StoreOriginal) -> None:
    pending_files.settle([original_key(store_original().content_hash)])


@pytest.mark.django_db(transaction=True)
def test_record_outlasts_a_rollback_of_the_caller() -> None:
    with transaction.atomic():
        pending_files.announce([KEY])
        transaction.set_rollback(True)
    # SQLite has a single writer: the record goes, and the file is unknown, which loses nothing.
    assert PendingFile.objects.count() == (0 if connection.vendor == "sqlite" else 1)


def test_failed_removal_does_not_block_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = write("originals/cd/" + "cd" * 32)
    pending_files.discard([write()])
    pending_files.discard([other])
    delete = LocalStorage.delete

    def fail(self: LocalStorage, name: str) -> None:
        if name == KEY:
            raise OSError(errno.EIO, "Input/output error")
        delete(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "delete", fail)
        assert pending_files.remove_due() == 1
        assert "Input/output error" in caplog.text
        assert pending_files.remove_due() == 0
    assert stored_keys() == {KEY}
    make_due()
    assert pending_files.remove_due() == 1


def test_settling_a_file_whose_removal_was_cut_off_is_an_error() -> None:
    """The removal has deleted the file, and its transaction was rolled back."""
    pending_files.discard([KEY])
    with pytest.raises(FileRemoved, match=KEY):
        pending_files.settle([KEY])


def test_original_without_its_file_gets_no_row(store_original: StoreOriginal, make_image: Any) -> None:
    """Another request has announced the file, and has not written it yet."""
    data = make_image()
    content_hash = hashlib.sha256(data).hexdigest()
    header = read_header(BytesIO(data), name="photo", limits=conf.limits())
    pending_files.announce([original_key(content_hash)])
    with transaction.atomic(), pytest.raises(FileRemoved):
        originals.claim(content_hash=content_hash, byte_size=len(data), header=header)
    assert not Original.objects.exists()


# --- The generation -----------------------------------------------------------------------


@pytest.fixture
def generation() -> Callable[[], str]:
    """Return a function that reads the mark in the storage."""

    def read() -> str:
        with default_storage.open(generations.KEY) as file:
            return bytes(file.read()).decode()

    return read


def test_each_removal_changes_the_generation_in_both(generation: Callable[[], str]) -> None:
    seen = set()
    for _ in range(3):
        pending_files.discard([write()])
        pending_files.remove_due()
        assert generation() == generations.state().generation
        seen.add(generation())
    assert len(seen) == 3


def test_new_originals_change_the_generation(store_original: StoreOriginal, generation: Any) -> None:
    generations.advance()
    before = generation()
    generations.keep_up()
    assert generation() == before
    store_original()
    generations.keep_up()
    assert generation() != before


def put_back(state: dict[str, Any]) -> None:
    """Put the database's side back, as a restored back-up does."""
    StorageState.objects.update(**state)


@pytest.mark.parametrize("side", ["the database is older", "the storage is empty", "the database is new"])
def test_nothing_is_removed_while_the_sides_differ(side: str) -> None:
    generations.advance()
    row = {"generation": generations.state().generation, "next_generation": ""}
    pending_files.discard([write()])
    generations.advance()
    if side == "the database is older":
        put_back(row)
    elif side == "the storage is empty":
        default_storage.delete(generations.KEY)
    else:
        StorageState.objects.all().delete()
    with pytest.raises(GenerationDiffers, match="--accept-database"):
        pending_files.remove_due()
    assert stored_keys() == {KEY}
    assert generations.state().differs
    # Acceptance forgets what the database called garbage, so the file stays even then.
    generations.accept()
    assert generations.agrees()
    assert not generations.state().differs
    remove_garbage()
    assert stored_keys() == {KEY}
    pending_files.discard([KEY])
    assert pending_files.remove_due() == 1


@pytest.mark.parametrize("written", [False, True])
def test_crash_while_the_generation_changes_leaves_both_in_agreement(
    written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    generations.advance()
    save = LocalStorage._save

    def crash(self: LocalStorage, name: str, content: Any) -> str:
        if written:
            save(self, name, content)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "_save", crash)
        with pytest.raises(KeyboardInterrupt):
            generations.advance()
    assert generations.agrees()
    generations.advance()
    assert generations.agrees()
    assert generations.state().next_generation == ""


def test_unknown_original_that_is_sent_again_stays_if_the_upload_dies(make_image: Any) -> None:
    data = make_image()
    content_hash = hashlib.sha256(data).hexdigest()
    write(original_key(content_hash))
    assert originals.ensure_stored(content_hash=content_hash, file=ContentFile(data))
    make_due()
    remove_garbage()
    assert stored_keys() == {original_key(content_hash)}


# --- Healing ------------------------------------------------------------------------------


@pytest.mark.parametrize("harm", ["missing", "cut short", "flagged"])
def test_right_bytes_heal_an_original(harm: str, store_original: StoreOriginal, make_image: Any) -> None:
    data = make_image()
    original = store_original(data)
    key = original_key(original.content_hash)
    default_storage.delete(key)
    if harm == "cut short":
        default_storage.save(key, ContentFile(data[:-1]))
    elif harm == "flagged":
        default_storage.save(key, ContentFile(data[:-1] + b"x"))
        originals.flag(original)
    assert originals.ensure_stored(content_hash=original.content_hash, file=ContentFile(data))
    assert originals.read(original) == data
    # The caller ends the suspicion, when it starts the failed uploads again.
    Original.objects.update(suspect=False)
    assert not originals.ensure_stored(content_hash=original.content_hash, file=ContentFile(data))


def test_reading_a_damaged_original_flags_it(store_original: StoreOriginal, make_image: Any) -> None:
    data = make_image()
    original = store_original(data)
    key = original_key(original.content_hash)
    default_storage.delete(key)
    default_storage.save(key, ContentFile(data[:-1] + b"x"))
    with pytest.raises(originals.OriginalLost):
        originals.read(original)
    assert Original.objects.get().suspect
