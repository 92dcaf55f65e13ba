"""Disk space: uploads are refused before a disk is full, and before their bytes are read."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from processing.storages import disk_space
from processing.storages.disk_space import Disk, StorageFull
from tests.conftest import MakeImage, key_of
from tests.storage.servers import s3_storage
from tests.uploads.receiving import test_body_guard
from uploads import broker
from uploads.models import Heartbeat, Upload
from uploads.monitoring import readiness

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
GIGABYTE = 1 << 30


@pytest.fixture
def limits(settings: Any) -> Callable[..., None]:
    def change(**values: Any) -> None:
        settings.DARKROOM = {**settings.DARKROOM, **values}

    change(DISK_FREE_BYTES=2 * GIGABYTE, DISK_FREE_SHARE=0.05)
    return change


@pytest.fixture
def full(limits: Callable[..., None]) -> None:
    """Let every disk count as almost full."""
    limits(DISK_FREE_BYTES=1 << 62, DISK_FREE_SHARE=1)


@pytest.fixture
def disk(limits: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that replaces the disks by one of this size and free space, in gigabytes."""

    def replace(*, free: float, size: float) -> None:
        only = Disk("/somewhere", int(free * GIGABYTE), int(size * GIGABYTE))
        monkeypatch.setattr(disk_space._looking, "disks", lambda: (only,))

    return replace


def is_refused(byte_size: int = 0) -> bool:
    try:
        disk_space.check(byte_size)
    except StorageFull:
        return True
    return False


@pytest.mark.parametrize(
    ("free", "size", "refused"),
    [(2.1, 1000, False), (1.9, 1000, True), (0.6, 10, False), (0.4, 10, True), (0, 10, True)],
)
def test_smaller_of_bytes_and_share_counts(
    free: float, size: float, refused: bool, disk: Callable[..., None]
) -> None:
    disk(free=free, size=size)
    assert is_refused() == refused
    assert bool(disk_space.problem()) == refused


@pytest.mark.parametrize("off", [{"DISK_FREE_BYTES": 0}, {"DISK_FREE_SHARE": 0}])
def test_zero_turns_it_off(
    off: dict[str, int], disk: Callable[..., None], limits: Callable[..., None]
) -> None:
    disk(free=0.1, size=1000)
    limits(**off)
    assert not is_refused(GIGABYTE)
    assert not disk_space.problem()


def test_body_must_fit_with_all_that_are_arriving(disk: Callable[..., None]) -> None:
    disk(free=3, size=1000)
    assert not is_refused(GIGABYTE // 2)
    assert is_refused(GIGABYTE // 2 + 1)
    with disk_space.expected(GIGABYTE // 4), disk_space.expected(GIGABYTE // 4):
        assert not is_refused(1)
        with disk_space.expected(1):
            assert is_refused(1)
    assert not is_refused(1)


def test_each_disk_is_asked_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, asked, statvfs = [1000.0], [], os.statvfs

    def count(folder: str) -> os.statvfs_result:
        asked.append(folder)
        return statvfs(folder)

    monkeypatch.setattr(disk_space, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(os, "statvfs", count)
    looking = disk_space._Looking()
    first = looking.disks()
    number = len(asked)
    assert number > 0
    assert all(looking.disks() is first for _ in range(100))
    assert len(asked) == number
    clock[0] += 1
    looking.disks()
    assert len(asked) == 2 * number


def test_disks_of_media_incoming_files_and_further_folders_are_watched(settings: Any, tmp_path: Path) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "DISK_FOLDERS": [str(tmp_path), str(tmp_path / "missing")]}
    assert disk_space._folders() == [
        str(settings.MEDIA_ROOT),
        str(settings.FILE_UPLOAD_TEMP_DIR),
        str(tmp_path),
        str(tmp_path / "missing"),
    ]
    found = list(disk_space._look())
    assert len({os.stat(one.folder).st_dev for one in found}) == len(found) > 0


def test_bucket_has_no_local_disk(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = None
    settings.DARKROOM = {**settings.DARKROOM, "DISK_FOLDERS": []}
    with s3_storage("http://127.0.0.1:9") as bucket:
        monkeypatch.setattr(disk_space, "media", bucket)
        (only,) = disk_space._folders()
    assert Path(only).is_dir()


@pytest.mark.usefixtures("full")
def test_api_answers_with_a_problem(
    owner: User, make_image: MakeImage, client_of: Callable[[User], APIClient]
) -> None:
    file = SimpleUploadedFile("a.jpg", make_image())
    answer = client_of(owner).post("/api/uploads/", {"file": file}, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert int(answer.headers["Retry-After"]) > 0
    assert not Upload.objects.exists()


@pytest.mark.usefixtures("full")
def test_form_shows_a_message(client: Client, owner: User, make_image: MakeImage) -> None:
    client.force_login(owner)
    page = client.post("/", {"file": SimpleUploadedFile("a.jpg", make_image())}, follow=True)
    assert "almost no disk space left" in page.content.decode()
    assert not Upload.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("full")
def test_body_is_refused_unread(owner: User) -> None:
    body = test_body_guard.form(bytes(1 << 20))
    client = test_body_guard.Client(
        token=key_of(owner), content_length=str(len(body)), content_type=test_body_guard.FORM
    )
    assert client.send(body) == 507
    assert client.taken_unanswered == 0
    assert client.problem["code"] == "storage_full"


@pytest.mark.django_db(transaction=True)
def test_arriving_bodies_are_counted_until_they_end(owner: User, make_image: MakeImage) -> None:
    for body in (test_body_guard.form(make_image()), b"nonsense"):
        client = test_body_guard.Client(
            token=key_of(owner), content_length=str(len(body)), content_type=test_body_guard.FORM
        )
        client.send(body)
        assert disk_space._looking.arriving() == 0


@pytest.mark.usefixtures("full")
class TestMonitoring:
    def test_full_disk_is_reported_while_the_process_stays_in_use(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(broker, "workers", lambda: {"all@here": set(readiness.queues())})
        Heartbeat.objects.create(name="sweep", at=timezone.now())
        answer = client.get("/readyz")
        assert answer.status_code == 200
        assert "uploads are refused below" in answer.json()["checks"]["disk"]

    def test_metrics_contain_free_bytes_and_the_alarm(self, client: Client) -> None:
        page = client.get("/metrics").content.decode()
        assert "darkroom_disk_low 1.0" in page
        assert f'darkroom_disk_free_bytes{{folder="{disk_space.disks()[0].folder}"}}' in page

    def test_status_page_shows_the_alarm(self, admin_client: Client) -> None:
        page = admin_client.get("/status/").content.decode()
        assert "The disk is almost full, so uploads are refused" in page
        assert f"Free at {disk_space.disks()[0].folder}" in page
