"""Orphaned files: leftovers of a crash are removed, files that are or will be used are kept."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from processing import leases, originals
from processing.fingerprint import original_key
from processing.models import Original, Rendition
from tests.conftest import MakeFile, MakeImage, Send, assert_storage_matches_rows, stored_keys
from tests.processing.processes import ROOT, environment
from uploads import completion, services
from uploads.models import Upload
from uploads.upkeep import collector, orphans

pytestmark = pytest.mark.django_db
PART = "0123456789abcdef.part"


@pytest.fixture
def ready(send: Send) -> Upload:
    """Return an upload that is ready."""
    upload = send()
    completion.run_here(upload)
    upload.refresh_from_db()
    return upload


def write(key: str, data: bytes = b"left over", *, hours: float = 2) -> str:
    """Store a file that was last written some hours ago, and return its key."""
    default_storage.save(key, ContentFile(data))
    path = default_storage.path(key)
    written_at = time.time() - hours * 3600
    os.utime(path, (written_at, written_at))
    return key


def folder_of(original: Original) -> str:
    return f"renditions/{original.public_key[:2]}/{original.public_key}"


def age_everything() -> None:
    """Make every file two hours old."""
    for key in stored_keys():
        path = default_storage.path(key)
        os.utime(path, (time.time() - 7200, time.time() - 7200))


def collect() -> None:
    """Run the collector after the grace period."""
    Original.objects.update(created_at=timezone.now() - timedelta(hours=1))
    collector.collect()


def test_orphaned_files_are_removed_and_used_files_kept(ready: Upload) -> None:
    age_everything()
    before = stored_keys()
    folder = folder_of(ready.original)
    for key in (
        "originals/ab/stray",
        f"originals/ab/.{PART}",
        f"originals/zz/{ready.original.content_hash}",
        "renditions/stray",
        f"renditions/ab/{'0' * 40}/thumb-0123456789abcdef.webp",
        f"{folder}/.{PART}",
        f"{folder}/thumb-0123456789abcdef.webp",
    ):
        write(key)
    assert orphans.remove_old() == 7
    assert stored_keys() == before
    assert orphans.remove_old() == 0
    assert_storage_matches_rows()


def test_recent_orphaned_file_is_kept(ready: Upload) -> None:
    write("originals/ab/stray", hours=0.9)
    assert orphans.remove_old() == 0
    assert "originals/ab/stray" in stored_keys()


@pytest.mark.parametrize("busy", ["unfinished", "leased"])
def test_files_of_a_busy_original_are_kept(ready: Upload, busy: str) -> None:
    key = write(f"{folder_of(ready.original)}/thumb-0123456789abcdef.webp")
    lease = leases.acquire(ready.original, "resize_image") if busy == "leased" else None
    Upload.objects.update(status="ready" if lease else "processing")
    assert orphans.remove_old() == 0
    assert key in stored_keys()
    Upload.objects.update(status="ready")
    if lease:
        leases.end(lease)
    assert orphans.remove_old() == 1


def test_files_are_compared_in_batches(
    ready: Upload, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr(orphans, "_BATCH", 4)
    keys = {write(f"originals/{number:02}/stray") for number in range(9)}
    with django_assert_max_num_queries(20):
        assert set(orphans.find()) == keys


@pytest.mark.parametrize("lost", ["the database", "a day of it"])
def test_nothing_is_removed_with_a_wrong_database(
    ready: Upload, lost: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if lost == "the database":
        Upload.objects.all().delete()
        Original.objects.all().delete()
    else:
        monkeypatch.setattr(orphans, "_MOST", 3)
        Rendition.objects.filter(preset__in=["small", "large"]).delete()
    age_everything()
    before = stored_keys()
    assert orphans.remove_old() == 0
    assert stored_keys() == before
    assert "Is this the right database?" in caplog.text


def test_storage_failure_postpones_the_removal(
    ready: Upload, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_folder: str) -> Iterator[Any]:
        yield "originals/ab/stray", 0.0
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(default_storage, "walk", refuse)
    assert orphans.remove_old() == 0
    assert "Input/output error" in caplog.text


def test_file_being_written_is_not_served(ready: Upload, client: Client) -> None:
    key = write(f"{folder_of(ready.original)}/.{PART}", hours=0)
    assert client.get(f"/{key}").status_code == 404
    assert client.get(f"/media/{key}").status_code == 404


# --- Originals ----------------------------------------------------------------------------


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


@pytest.fixture
def orphan(ready: Upload, make_image: MakeImage, make_file: MakeFile) -> tuple[str, bytes]:
    """Return the content hash and the bytes of an original that was stored two hours ago without a row."""
    data = make_image(seed=7)
    content_hash = make_file(data).content_hash
    write(original_key(content_hash), data)
    return content_hash, data


@pytest.mark.django_db(transaction=True)
def test_original_of_a_killed_web_process_is_removed(
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
    assert orphans.remove_old() == 0
    age_everything()
    assert orphans.remove_old() == 1
    collect()
    assert stored_keys() == before
    assert Original.objects.get() == ready.original


def test_orphaned_original_sent_again_is_kept(orphan: tuple[str, bytes], send: Send, ready: Upload) -> None:
    orphans.remove_old()
    upload = send(orphan[1])
    assert (upload.original.format, upload.original.byte_size) == ("jpeg", len(orphan[1]))
    assert (upload.original.width, upload.original.height) == (600, 400)
    collect()
    completion.run_here(upload)
    assert_storage_matches_rows()


def test_orphaned_file_that_is_no_image_is_removed_directly(ready: Upload) -> None:
    before = stored_keys()
    write(f"originals/ab/{'ab' * 32}", b"no picture")
    assert orphans.remove_old() == 1
    assert stored_keys() == before


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
def test_orphaned_original_sent_during_removal_is_kept(
    when: str,
    orphan: tuple[str, bytes],
    send: Send,
    meanwhile: Callable[[str, Callable[[], object]], None],
) -> None:
    meanwhile(when, orphans.remove_old)
    send(orphan[1])
    collect()
    assert original_key(orphan[0]) in stored_keys()
    assert Upload.objects.filter(original__content_hash=orphan[0]).exists()


@pytest.mark.django_db(transaction=True)
def test_original_removed_during_an_upload_is_stored_again(
    orphan: tuple[str, bytes],
    send: Send,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[str, Callable[[], object]], None],
) -> None:
    meanwhile("before", orphans.remove_old)
    store = originals.store_unless_known

    def store_and_lose(**options: Any) -> bool:
        monkeypatch.setattr(originals, "store_unless_known", store)
        stored = store(**options)
        collect()
        assert original_key(orphan[0]) not in stored_keys()
        return stored

    monkeypatch.setattr(originals, "store_unless_known", store_and_lose)
    send(orphan[1])
    assert original_key(orphan[0]) in stored_keys()


def test_rendition_rendered_during_removal_is_kept(ready: Upload) -> None:
    key = Rendition.objects.filter(preset="thumb").values_list("key", flat=True)[0]
    Rendition.objects.filter(key=key).delete()
    age_everything()
    assert list(orphans.find(age=3600)) == [key]
    services.prepare_again(uploads=[ready], force=False, presets=(), bulk=False)
    completion.run_here(ready)
    orphans.remove(key)
    assert_storage_matches_rows()
