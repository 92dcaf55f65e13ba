"""The nightly figures count the storage, and the sample finds damaged files without changing anything."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from processing.fingerprint import original_key
from processing.models import Original, StorageState
from processing.storages.media import media
from tests.conftest import Send, stored_digest, stored_keys
from uploads.models import NightlyFigures, Upload
from uploads.upkeep import nightly_figures

pytestmark = pytest.mark.django_db


@pytest.fixture
def upload(send: Send) -> Upload:
    return send()


def damage(key: str) -> None:
    path = Path(media.folder) / key
    path.chmod(0o600)
    path.write_bytes(b"damaged")


def test_figures_count_each_night_once(upload: Upload) -> None:
    StorageState.objects.update_or_create(pk=1, defaults={"unknown_files": 3})
    old = NightlyFigures.objects.create(day=timezone.localdate() - timedelta(days=401))
    for _twice in range(2):
        nightly_figures.take()
    figures = NightlyFigures.objects.get()
    assert figures.day != old.day
    assert (figures.images, figures.bytes_of_originals) == (1, upload.original.byte_size)
    assert (figures.unknown_files, figures.lost_originals) == (3, 0)


def test_whole_files_pass_the_sample(upload: Upload) -> None:
    nightly_figures.check_sample()
    figures = NightlyFigures.objects.get()
    assert (figures.sampled, figures.broken) == (1, [])


def test_damaged_file_is_reported_and_stays(upload: Upload, caplog: pytest.LogCaptureFixture) -> None:
    key = original_key(upload.original.content_hash)
    damage(key)
    digest, keys = stored_digest(key), stored_keys()
    for _twice in range(2):
        nightly_figures.check_sample()
    assert NightlyFigures.objects.get().broken == [key]
    assert (stored_digest(key), stored_keys()) == (digest, keys)
    assert Upload.objects.filter(pk=upload.pk).exists()
    assert not Original.objects.get().suspect
    assert f"such as {key}" in caplog.text


def test_missing_file_is_reported(upload: Upload) -> None:
    key = original_key(upload.original.content_hash)
    (Path(media.folder) / key).unlink()
    nightly_figures.check_sample()
    assert NightlyFigures.objects.get().broken == [key]


def test_file_that_was_deleted_meanwhile_is_not_reported(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(_key: str) -> None:
        Upload.objects.all().delete()
        Original.objects.all().delete()

    monkeypatch.setattr(nightly_figures, "stored_digest", vanish)
    nightly_figures.check_sample()
    assert NightlyFigures.objects.get().broken == []


@pytest.mark.parametrize(("size", "sampled"), [(0, 0), (1, 1), (5, 3)])
def test_sample_is_bounded_and_has_each_original_once(
    size: int, sampled: int, send: Send, make_image: Any, settings: Any
) -> None:
    for seed in (0, 60, 120):
        send(make_image(seed=seed))
    settings.DARKROOM = {**settings.DARKROOM, "AUDIT_SAMPLE": size}
    nightly_figures.check_sample()
    assert NightlyFigures.objects.get().sampled == sampled
