"""Files of killed processes are removed; unknown files stay, and can be adopted."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from processing import originals, steps
from processing.fingerprint import original_key
from processing.garbage import generations, pending_files
from processing.models import Original, PendingFile, Rendition, StorageState
from processing.renderer.rendering import ReaderBusy
from tests.conftest import MakeFile, MakeImage, Send, assert_storage_matches_rows, remove_garbage, stored_keys
from tests.processing.processes import ROOT, environment
from uploads import completion, services
from uploads.models import Upload
from uploads.upkeep import audit, collector, unknown_files

# Most tests render several uploads, and some start processes.
pytestmark = [pytest.mark.django_db, pytest.mark.slow]
PART = "0123456789abcdef.part"


@pytest.fixture
def ready(send: Send) -> Upload:
    """Return an upload that is ready."""
    upload = send()
    completion.run_here(upload)
    upload.refresh_from_db()
    return upload


def write(key: str, data: bytes = b"left over") -> str:
    """Store a file without a row, and return its key."""
    default_storage.save(key, ContentFile(data))
    return key


def make_due() -> None:
    """Let a day pass."""
    PendingFile.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def collect() -> None:
    """Run the collector after the grace period."""
    Original.objects.update(created_at=timezone.now() - timedelta(hours=1))
    collector.collect()


def run_audit(*options: str) -> dict[str, Any]:
    """Return the findings of an audit, whatever its exit status."""
    output = StringIO()
    with suppress(CommandError):
        call_command("audit", "--json", *options, stdout=output)
    found: dict[str, Any] = json.loads(output.getvalue())
    return found


def test_files_are_sorted_by_what_the_database_says(ready: Upload) -> None:
    unknown = {
        write("originals/ab/stray"),
        write(f"originals/zz/{ready.original.content_hash}"),
        write(f"renditions/ab/{'0' * 40}/thumb-0123456789abcdef.webp"),
    }
    orphaned, unfinished = write("renditions/orphaned"), write("renditions/unfinished")
    pending_files.discard([orphaned])
    pending_files.announce([unfinished])
    found = unknown_files.find()
    assert set(found.unknown) == unknown
    assert set(found.orphaned) == {orphaned}
    assert set(found.unfinished) == {unfinished}


def test_unknown_files_outlast_every_automatic_removal(ready: Upload) -> None:
    keys = {write(f"originals/{number:02}/stray") for number in range(5)}
    make_due()
    collect()
    unknown_files.count()
    run_audit("--fix")
    assert keys <= stored_keys()
    assert generations.state().unknown_files == 5
    assert generations.state().compared_at is not None


def test_files_are_compared_in_batches(
    ready: Upload, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr(unknown_files, "_BATCH", 4)
    keys = {write(f"originals/{number:02}/stray") for number in range(9)}
    with django_assert_max_num_queries(40):
        assert set(unknown_files.find().unknown) == keys


def test_partial_file_is_neither_found_nor_served_and_goes_after_a_day(
    ready: Upload, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = f"renditions/{ready.original.public_key[:2]}/{ready.original.public_key}"
    key = write(f"{folder}/.{PART}")
    assert not unknown_files.find().unknown
    assert client.get(f"/{key}").status_code == 404
    assert client.get(f"/media/{key}").status_code == 404
    unknown_files.count()
    assert key in stored_keys()
    monkeypatch.setattr(unknown_files, "_INCOMPLETE_AGE", 0)
    unknown_files.count()
    assert key not in stored_keys()
    assert_storage_matches_rows()


# --- Killed processes ---------------------------------------------------------------------


KILLED = """
import os, signal, sys
import django
django.setup()
from django.contrib.auth.models import User
from uploads import services
from uploads.receiving.form import HashedFile
services.originals.claim = lambda *_arguments, **_options: os.kill(os.getpid(), signal.SIGKILL)
data = sys.stdin.buffer.read()
file = HashedFile("photo.jpg", "image/jpeg", len(data), None)
file.write(data)
file.seek(0)
file.content_hash = sys.argv[1]
services.receive_upload(owner=User.objects.get(), file=file)
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_original_stored_by_a_killed_web_process_is_removed(
    ready: Upload, make_image: MakeImage, tmp_path: Path
) -> None:
    data = make_image(seed=7)
    before = stored_keys()
    content_hash = "ab" * 32
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, content_hash],
        input=data,
        cwd=ROOT,
        env={**environment(), "VAR_DIR": str(tmp_path)},
        check=False,
        timeout=60,
    )
    assert process.returncode == -9
    assert stored_keys() - before == {original_key(content_hash)}
    collect()
    assert stored_keys() - before == {original_key(content_hash)}
    make_due()
    collect()
    assert stored_keys() == before
    assert Original.objects.get() == ready.original


@pytest.fixture
def unfinished(ready: Upload, make_image: MakeImage, make_file: MakeFile) -> tuple[str, bytes]:
    """Return the content hash and the bytes of an original that was written a day ago without a row."""
    data = make_image(seed=7)
    content_hash = make_file(data).content_hash
    pending_files.announce([original_key(content_hash)])
    write(original_key(content_hash), data)
    make_due()
    return content_hash, data


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], object]], None]:
    """Return a function that does something just before or after the sender's bytes are stored."""
    store = originals.store

    def happen(when: str, action: Callable[[], object]) -> None:
        def store_then(**arguments: Any) -> None:
            monkeypatch.setattr(originals, "store", store)
            if when == "before":
                action()
            store(**arguments)
            if when == "after":
                action()

        monkeypatch.setattr(originals, "store", store_then)

    return happen


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when", ["before", "after"])
def test_unfinished_original_that_is_sent_during_the_removal_is_kept(
    when: str,
    unfinished: tuple[str, bytes],
    send: Send,
    meanwhile: Callable[[str, Callable[[], object]], None],
) -> None:
    def collect_a_day_later() -> None:
        make_due()
        collect()
        assert original_key(unfinished[0]) not in stored_keys()

    meanwhile(when, collect_a_day_later)
    upload = send(unfinished[1])
    collect()
    completion.run_here(upload)
    assert_storage_matches_rows()


@pytest.mark.django_db(transaction=True)
def test_rendition_removed_before_its_row_is_rendered_again(
    ready: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was frozen for more than a day finds its files gone, so it names none of them."""
    services.reprocess(uploads=[ready], force=True)
    Rendition.objects.all().delete()
    finish = steps._finish

    def finish_too_late(*arguments: Any) -> None:
        monkeypatch.setattr(steps, "_finish", finish)
        make_due()
        remove_garbage()
        finish(*arguments)

    monkeypatch.setattr(steps, "_finish", finish_too_late)
    with pytest.raises(pending_files.FileRemoved):
        completion.run_here(ready)
    completion.run_here(ready)
    assert_storage_matches_rows()
    assert Rendition.objects.count() == 10


# --- A database older than its storage ----------------------------------------------------


def lose_rows() -> None:
    """Put an old, empty database back."""
    for model in (Upload, Rendition, Original, PendingFile, StorageState):
        model.objects.all().delete()


@pytest.fixture
def lost(send: Send, make_image: MakeImage) -> dict[str, bytes]:
    """Return the bytes of three originals by content hash, whose rows were lost with the database."""
    generations.advance()
    uploads = [send(make_image(width=60, height=40, seed=seed)) for seed in range(3)]
    for upload in uploads:
        completion.run_here(upload)
    data = {upload.original.content_hash: originals.read(upload.original) for upload in uploads}
    lose_rows()
    return data


def test_older_database_costs_no_file(lost: dict[str, bytes], caplog: pytest.LogCaptureFixture) -> None:
    before = stored_keys()
    collect()
    unknown_files.count()
    found = run_audit()
    assert not found["agrees"]
    assert "--accept-database" in caplog.text
    pending_files.discard(list(before))
    with pytest.raises(CommandError, match="--accept-database"):
        call_command("audit", "--fix", stdout=StringIO())
    assert stored_keys() == before
    assert run_audit("--accept-database")["agrees"]
    collect()
    run_audit("--fix")
    assert stored_keys() == before


def test_adoption_brings_the_images_back(lost: dict[str, bytes], owner: User) -> None:
    damaged = write(f"originals/ab/{'ab' * 32}", b"other bytes")
    found = run_audit("--adopt", "ada")
    assert set(found["adopted"]) == {original_key(content_hash) for content_hash in lost}
    assert damaged in found["unknown"]
    for upload in Upload.objects.all():
        completion.run_here(upload)
        assert originals.read(upload.original) == lost[upload.original.content_hash]
        assert (upload.owner, upload.visibility) == (owner, "private")
    assert Upload.objects.count() == 3
    # The renditions have the same keys as before, so they are known again.
    assert run_audit()["unknown"] == [damaged]
    assert run_audit("--adopt", "ada")["adopted"] == []


def test_image_that_cannot_be_read_now_is_not_deleted_as_refused(
    lost: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ReaderBusy("Images cannot be read now.")

    monkeypatch.setattr(unknown_files, "read_header", fail)
    with pytest.raises(CommandError, match="cannot be read now"):
        call_command("audit", "--adopt", "ada", "--delete-unknown", "--no-input", stdout=StringIO())
    assert stored_keys() >= {original_key(content_hash) for content_hash in lost}


def test_adoption_brings_back_an_upload_that_the_backup_cut_in_two(
    unfinished: tuple[str, bytes], owner: User
) -> None:
    PendingFile.objects.update(due_at=timezone.now() + timedelta(hours=1))
    found = run_audit("--adopt", "ada")
    assert found["adopted"] == [original_key(unfinished[0])]
    make_due()
    collect()
    assert originals.read(Original.objects.get(content_hash=unfinished[0])) == unfinished[1]


def test_adoption_takes_an_upload_that_an_old_backup_cut_in_two(
    unfinished: tuple[str, bytes], owner: User
) -> None:
    """The backup is older than a day, so its record of the upload is due."""
    key = original_key(unfinished[0])
    assert run_audit()["orphaned"] == [key]
    assert run_audit("--accept-database", "--adopt", "ada")["adopted"] == [key]
    collect()
    assert originals.read(Original.objects.get(content_hash=unfinished[0])) == unfinished[1]


def test_accepted_database_removes_no_file(unfinished: tuple[str, bytes]) -> None:
    key = original_key(unfinished[0])
    found = run_audit("--accept-database", "--fix")
    assert (found["fixed"], found["unknown"]) == ([], [key])
    assert key in stored_keys()


def test_unknown_files_stay_while_the_sides_differ(lost: dict[str, bytes]) -> None:
    before = stored_keys()
    with pytest.raises(CommandError, match="--accept-database"):
        call_command("audit", "--delete-unknown", "--no-input", stdout=StringIO())
    assert stored_keys() == before


def test_adoption_for_an_unknown_user_is_refused(lost: dict[str, bytes]) -> None:
    with pytest.raises(CommandError, match="There is no owner 'eve'"):
        call_command("audit", "--adopt", "eve")


@pytest.mark.parametrize(("answer", "deleted"), [("y", True), ("n", False), ("", False)])
def test_unknown_files_are_deleted_after_a_question(
    answer: str, deleted: bool, ready: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = write("originals/ab/stray")
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return answer

    monkeypatch.setattr("builtins.input", ask)
    found = run_audit("--delete-unknown")
    assert f"Delete 1 unknown files for good? They were written from {timezone.now():%Y-%m-%d}" in asked[0]
    assert found["fixed"] == ([key] if deleted else [])
    assert (key in stored_keys()) != deleted
    assert_storage_matches_rows() if deleted else None


def test_unknown_files_stay_without_an_answer(ready: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    key = write("originals/ab/stray")

    def no_terminal(_question: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", no_terminal)
    with pytest.raises(CommandError, match="--no-input"):
        call_command("audit", "--delete-unknown", stdout=StringIO())
    assert key in stored_keys()
    assert run_audit("--delete-unknown", "--no-input")["fixed"] == [key]
    assert key not in stored_keys()


# --- A lost original ----------------------------------------------------------------------


def damage(upload: Upload) -> None:
    key = original_key(upload.original.content_hash)
    data = originals.read(upload.original)
    default_storage.delete(key)
    write(key, bytes([*data[:-1], data[-1] ^ 1]))


def test_lost_original_fails_for_all_its_owners_and_heals(
    ready: Upload, send: Send, make_image: MakeImage, stranger: User
) -> None:
    other = send(by=stranger)
    completion.run_here(other)
    damage(ready)
    run_audit("--dry-run")
    assert set(Upload.objects.values_list("status", flat=True)) == {"ready"}
    run_audit()
    assert set(Upload.objects.values_list("status", "error_code")) == {("failed", "original_lost")}
    # Another person brings the right bytes.
    services.delete_upload(upload=other)
    again = send(by=stranger)
    for upload in (ready, again):
        completion.run_here(upload)
        upload.refresh_from_db()
        assert (upload.status, upload.error_code) == ("ready", "")
    assert originals.read(ready.original) == make_image()
    assert run_audit()["ok"]


def test_original_healed_during_an_audit_stays_healed(ready: Upload, make_image: MakeImage) -> None:
    damage(ready)
    findings, _found = audit.audit()
    key = original_key(ready.original.content_hash)
    default_storage.delete(key)
    write(key, make_image())
    audit.record(findings)
    ready.refresh_from_db()
    assert ready.status == "ready"


def test_failed_upload_of_a_whole_original_heals_when_it_is_sent_again(ready: Upload, send: Send) -> None:
    """The healing of another owner passed by this upload, because it was deleted at that time."""
    Upload.objects.update(status="failed", error_code="original_lost", error_detail="It is lost.")
    assert send() == ready
    completion.run_here(ready)
    ready.refresh_from_db()
    assert (ready.status, ready.error_code) == ("ready", "")


def test_missing_storage_fails_no_upload(ready: Upload) -> None:
    shutil.rmtree(Path(default_storage.path("originals")))
    with pytest.raises(CommandError, match="Check that its disk is mounted"):
        call_command("audit", stdout=StringIO())
    ready.refresh_from_db()
    assert ready.status == "ready"


def test_owner_heals_a_missing_original_by_sending_it_again(ready: Upload, send: Send) -> None:
    default_storage.delete(original_key(ready.original.content_hash))
    assert send() == ready
    assert originals.read(ready.original)
    assert_storage_matches_rows()


def test_original_that_was_put_back_starts_its_uploads_again(ready: Upload, make_image: MakeImage) -> None:
    damage(ready)
    run_audit()
    key = original_key(ready.original.content_hash)
    default_storage.delete(key)
    write(key, make_image())
    assert run_audit()["ok"]
    completion.run_here(ready)
    ready.refresh_from_db()
    assert ready.status == "ready"


def test_wrong_storage_fails_no_upload(ready: Upload) -> None:
    generations.advance()
    default_storage.delete(generations.KEY)
    default_storage.delete(original_key(ready.original.content_hash))
    assert not run_audit()["agrees"]
    ready.refresh_from_db()
    assert ready.status == "ready"
