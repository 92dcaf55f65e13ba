"""manage.py audit finds and repairs missing, damaged, orphaned and unknown files, on disk and on S3."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone
from moto.server import ThreadedMotoServer
from pytest_django import Settings

from processing.fingerprint import original_key
from processing.garbage import generations, pending_files
from processing.models import Original, Rendition
from tests.conftest import MakeImage, Send
from uploads import completion, services
from uploads.models import Upload
from uploads.upkeep import audit, collector

pytestmark = [pytest.mark.django_db, pytest.mark.any_database, pytest.mark.slow]

PRESETS: dict[str, Any] = {
    "thumb": {"width": 64, "height": 64, "mode": "fill", "formats": ["webp"]},
    "small": {"width": 100, "formats": ["webp"]},
}
FILES_AN_ORIGINAL = 1 + len(PRESETS)
FILES = 3 * FILES_AN_ORIGINAL
BUCKET = "pictures"
on_disk_and_s3 = pytest.mark.parametrize("storage", ["local", "s3"], indirect=True)
UNKNOWN = "renditions/unknown"
STRAYS = ("originals/ab/stray", "renditions/ab/nobody/thumb-0123456789abcdef.webp", "renditions/stray")


@pytest.fixture(autouse=True)
def _small_world(settings: Settings) -> None:
    """Save time: fast password hashing and few presets."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.DARKROOM = {**settings.DARKROOM, "PRESETS": PRESETS}


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """Return a bucket on an S3 server."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    bucket = boto3.resource(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    ).Bucket(BUCKET)
    bucket.create()
    yield bucket
    server.stop()


@pytest.fixture(params=["local"])
def storage(request: pytest.FixtureRequest, settings: Settings) -> Iterator[str]:
    """Keep the files in a folder, or in a bucket if the test asks for one. Return which."""
    if request.param == "local":
        yield "local"
        return
    bucket = request.getfixturevalue("s3")
    settings.STORAGES = {**settings.STORAGES, "default": s3_media(bucket.meta.client.meta.endpoint_url)}
    yield "s3"
    bucket.objects.delete()


def s3_media(address: str) -> dict[str, Any]:
    options = {
        "bucket_name": BUCKET,
        "endpoint_url": address,
        "region_name": "us-east-1",
        "access_key": "key",
        "secret_key": "secret",
    }
    return {"BACKEND": "processing.storages.s3.S3Storage", "OPTIONS": options}


@pytest.fixture
def ready(storage: str, send: Send, make_image: MakeImage) -> list[Upload]:
    """Return three ready uploads."""
    uploads = [send(make_image(width=150, height=120, seed=seed)) for seed in range(3)]
    for upload in uploads:
        completion.run_here(upload)
    return uploads


def run_audit(*options: str) -> str:
    """Return the output of an audit without remaining problems."""
    output = StringIO()
    call_command("audit", *options, stdout=output)
    return output.getvalue()


def failing_audit(*options: str) -> str:
    """Return the output of an audit with remaining problems."""
    output = StringIO()
    with pytest.raises(CommandError, match=r"problems? remains?") as caught:
        call_command("audit", *options, stdout=output)
    assert caught.value.returncode == 1
    return output.getvalue()


def findings(**found: Any) -> dict[str, Any]:
    kinds = ("missing", "damaged", "orphaned", "unknown", "lost", "fixed", "adopted")
    nothing: dict[str, Any] = {kind: [] for kind in kinds}
    return {"checked": FILES, **nothing, "agrees": True, "ok": True, **found}


def write(key: str, data: bytes) -> None:
    default_storage.delete(key)
    default_storage.save(key, ContentFile(data))


def files() -> dict[str, bytes]:
    """Return all stored files, without the code under test."""
    return {key: read(key) for key in keys()}


def read(key: str) -> bytes:
    with default_storage.open(key) as file:
        data: bytes = file.read()
    return data


def keys() -> list[str]:
    bucket: Any = getattr(default_storage, "bucket", None)
    if bucket is not None:
        return [item.key for item in bucket.objects.all() if item.key != generations.KEY]
    root = Path(django_settings.MEDIA_ROOT)
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return sorted(files - {generations.KEY})


def everything() -> dict[str, Any]:
    rows = {model: list(model.objects.order_by("pk").values()) for model in (Upload, Original, Rendition)}
    return {"rows": rows, "files": files()}


def rendition_key(upload: Upload, preset: str = "small") -> str:
    return Rendition.objects.get(original=upload.original, preset=preset).key


def work_off() -> None:
    """Do the work of the workers."""
    for upload in Upload.objects.filter(status__in=Upload.UNFINISHED):
        completion.run_here(upload)


@on_disk_and_s3
def test_intact_storage_is_reported(ready: list[Upload]) -> None:
    before = everything()
    assert run_audit() == f"{FILES} files checked: 0 missing, 0 damaged, 0 orphaned, 0 unknown.\n"
    assert run_audit("--fix").startswith(f"{FILES} files checked: 0 missing")
    assert json.loads(run_audit("--json")) == findings()
    assert everything() == before


@on_disk_and_s3
def test_empty_storage_is_intact(storage: str) -> None:
    assert json.loads(run_audit("--fix", "--json")) == findings(checked=0)


@on_disk_and_s3
def test_each_kind_is_reported_without_changes(ready: list[Upload]) -> None:
    missing, damaged = rendition_key(ready[0]), rendition_key(ready[1])
    default_storage.delete(missing)
    write(damaged, b"cut off")
    for stray in STRAYS:
        write(stray, b"left over")
    pending_files.discard(STRAYS)
    write(UNKNOWN, b"from elsewhere")
    before = everything()
    said = failing_audit()
    assert f"missing: {missing}\n" in said
    assert f"damaged: {damaged}\n" in said
    assert all(f"orphaned: {stray}\n" in said for stray in STRAYS)
    assert f"unknown: {UNKNOWN}\n" in said
    assert f"{FILES} files checked: 1 missing, 1 damaged, 3 orphaned, 1 unknown.\n" in said
    would = failing_audit("--fix", "--dry-run")
    assert f"missing: {missing} (would be fixed)\n" in would
    assert f"orphaned: {STRAYS[0]} (would be fixed)\n" in would
    found = findings(missing=[missing], damaged=[damaged], orphaned=list(STRAYS), unknown=[UNKNOWN], ok=False)
    assert json.loads(failing_audit("--dry-run", "--fix", "--json")) == found
    assert everything() == before


@on_disk_and_s3
def test_fix_renders_again_and_removes_orphaned_files(ready: list[Upload]) -> None:
    before = files()
    missing, damaged = rendition_key(ready[0]), rendition_key(ready[1], "thumb")
    default_storage.delete(missing)
    write(damaged, b"")
    for stray in STRAYS:
        write(stray, b"left over")
    pending_files.discard(STRAYS)
    said = run_audit("--fix")
    assert f"missing: {missing} (queued for rendering)\n" in said
    assert f"damaged: {damaged} (queued for rendering)\n" in said
    assert f"orphaned: {STRAYS[0]} (removed)\n" in said
    assert set(Upload.objects.filter(bulk=True, status="pending")) == {ready[0], ready[1]}
    work_off()
    assert files() == before
    assert json.loads(run_audit("--json")) == findings()


def test_fix_restores_every_rendition(ready: list[Upload], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_BATCH", 2)  # for several batches
    before = files()
    rows = set(Rendition.objects.values_list("key", flat=True))
    for key in rows:
        default_storage.delete(key)
    told = json.loads(run_audit("--fix", "--json"))
    assert set(told["missing"]) == set(told["fixed"]) == rows
    work_off()
    assert files() == before


@on_disk_and_s3
def test_lost_original_is_reported_and_the_rest_is_fixed(ready: list[Upload]) -> None:
    lost, damaged = (original_key(upload.original.content_hash) for upload in ready[:2])
    hopeless, mendable = rendition_key(ready[0]), rendition_key(ready[2])
    write(damaged, b"damaged")
    for key in (lost, hopeless, mendable):
        default_storage.delete(key)
    before = everything()
    would = failing_audit("--fix", "--dry-run")
    assert f"missing: {lost} (its owner has to upload it again)\n" in would
    assert f"damaged: {damaged} (its owner has to upload it again)\n" in would
    assert f"missing: {hopeless} (its owner has to upload it again)\n" in would
    assert f"missing: {mendable} (would be fixed)\n" in would
    assert everything() == before
    told = json.loads(failing_audit("--fix", "--json"))
    assert set(told["lost"]) == {lost, damaged, hopeless}
    assert told["fixed"] == [mendable]
    assert not told["ok"]
    work_off()
    statuses = Upload.objects.values_list("original", "status", "error_code")
    assert set(statuses) == {
        (ready[0].original_id, "failed", "original_lost"),
        (ready[1].original_id, "failed", "original_lost"),
        (ready[2].original_id, "ready", ""),
    }
    assert json.loads(failing_audit("--json"))["missing"] == [lost, hopeless]


def test_lost_original_sent_again_after_a_deletion_is_complete(
    ready: list[Upload], send: Send, make_image: MakeImage, settings: Settings
) -> None:
    default_storage.delete(original_key(ready[0].original.content_hash))
    assert len(json.loads(failing_audit("--json"))["lost"]) == 1
    settings.DARKROOM = {**settings.DARKROOM, "DELETE_GRACE": -1}
    services.delete_upload(upload=ready[0])
    collector.collect()
    completion.run_here(send(make_image(width=150, height=120, seed=0)))
    assert json.loads(run_audit("--json")) == findings()


def test_rendition_replaced_during_the_audit_is_not_missing(
    ready: list[Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, read_digest = rendition_key(ready[0]), audit.stored_digest

    def render_anew_first(key: str) -> str | None:
        if key == old and default_storage.exists(old):
            write("renditions/anew", read(old))
            Rendition.objects.filter(key=old).update(key="renditions/anew")
            default_storage.delete(old)
        return read_digest(key)

    monkeypatch.setattr(audit, "stored_digest", render_anew_first)
    assert json.loads(run_audit("--json")) | {"checked": FILES} == findings()


def test_files_of_a_deleted_upload_are_not_orphaned_until_collected(ready: list[Upload], owner: User) -> None:
    services.delete_upload(upload=ready[0])
    assert json.loads(run_audit("--fix", "--json")) == findings()
    Upload.objects.filter(pk=ready[0].pk).update(deleted_at=timezone.now() - timedelta(days=1))
    Original.objects.update(created_at=timezone.now() - timedelta(days=1))
    collector.collect()
    assert json.loads(run_audit("--fix", "--json")) == findings(checked=FILES - FILES_AN_ORIGINAL)


def test_gitkeep_files_are_kept(ready: list[Upload]) -> None:
    for folder in ("originals", "renditions"):
        write(f"{folder}/.gitkeep", b"")
    assert json.loads(run_audit("--fix", "--json")) == findings()


def test_storage_failure_is_reported(ready: list[Upload]) -> None:
    path = Path(default_storage.path(original_key(ready[0].original.content_hash)))
    path.unlink()
    path.mkdir()
    before = list(Rendition.objects.values())
    with pytest.raises(CommandError, match=r"The storage failed: .*Is a directory"):
        run_audit("--fix")
    assert list(Rendition.objects.values()) == before
    path.rmdir()
