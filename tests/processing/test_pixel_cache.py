"""The pixel cache: the same pixels, used once, bounded, and never required."""

import errno
import os
import time
from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from struct import pack
from typing import BinaryIO, cast
from zlib import crc32

import pytest
from django.core.files.storage import default_storage
from PIL import ExifTags, Image, ImageFile
from pytest_django import Settings

from benchmarks import in_process
from processing import pixel_cache, steps
from processing.conf import darkroom
from processing.models import Original, Rendition
from processing.renderer.pool import POOL
from processing.renderer.rendering import RemoteSource
from processing.steps import Step
from tests.conftest import MakeImage
from tests.processing.conftest import StoreOriginal

pytestmark = [pytest.mark.any_database, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _few_presets(settings: Settings) -> None:
    """Encode little, because these tests are about decoding."""
    presets = {"thumb": {"width": 64, "height": 64, "mode": "fill"}, "large": {"width": 1280, "effort": 0}}
    settings.DARKROOM = {**settings.DARKROOM, "PRESETS": presets}


@pytest.fixture
def folder() -> Path:
    return Path(darkroom().handover_dir)


@pytest.fixture
def original(store_original: StoreOriginal, make_image: MakeImage) -> Original:
    """Return an original that is large enough for the pixel cache."""
    return store_original(make_image(width=2600, height=1700, format="PNG", mode="RGBA"))


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Return a list that records the format of every decoded file, and decode in this process."""
    monkeypatch.setattr(POOL, "renderer", in_process.lent)
    formats: list[str | None] = []
    prepare = ImageFile.ImageFile.load_prepare

    def count(self: ImageFile.ImageFile) -> None:
        formats.append(self.format)
        prepare(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load_prepare", count)
    return formats


def run(step: Step, original: Original) -> None:
    steps.run(step=step, content_hash=original.content_hash)


def digests() -> dict[tuple[str, str], str]:
    return {(row.preset, row.format): row.digest for row in Rendition.objects.all()}


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


class Left:
    """A source with decoded pixels for the second step."""

    def __init__(self, data: bytes = b"pixels" * 1000) -> None:
        self.data = data
        self.pixels = len(data)

    def write_pixels(self, file: BinaryIO) -> None:
        with mmap(file.fileno(), self.pixels) as shared:
            shared.write(self.data)


def put(original: Original) -> None:
    pixel_cache.put(original, cast("RemoteSource", Left()))


def test_second_step_keeps_the_credit_that_follows_the_pixels(
    store_original: StoreOriginal, make_image: MakeImage, settings: Settings
) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "KEEP_CREDIT": True}
    data = make_image(width=1300, height=900, format="PNG")
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Ada"
    content = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = pack(">I4s", len(content), b"eXIf") + content + pack(">I", crc32(b"eXIf" + content))
    original = store_original(data[:-12] + chunk + data[-12:])
    for step in ("generate_thumbnails", "resize_image"):
        run(step, original)
    for row in Rendition.objects.all():
        with default_storage.open(row.key) as file:
            assert b"Ada" in file.read(), row.preset


def test_large_original_is_decoded_once(original: Original, folder: Path, decodes: list[str | None]) -> None:
    run("generate_thumbnails", original)
    assert (decodes, len(files(folder))) == (["PNG"], 1)
    run("resize_image", original)
    assert (decodes, files(folder)) == (["PNG"], [])
    assert Rendition.objects.count() == 4


def lose(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def garble(path: Path) -> None:
    path.write_bytes(b"{}\n" + path.read_bytes())


@pytest.mark.parametrize("spoil", [lose, cut, garble])
def test_bytes_are_the_same_without_the_cache(
    spoil: Callable[[Path], None], original: Original, folder: Path, decodes: list[str | None]
) -> None:
    for step in ("generate_thumbnails", "resize_image"):
        run(step, original)
    expected = digests()
    Rendition.objects.update(redo=True)
    run("generate_thumbnails", original)
    (path,) = files(folder)
    spoil(path)
    run("resize_image", original)
    assert decodes == ["PNG"] * 3
    assert digests() == expected
    assert files(folder) == []


def test_no_pixels_are_cached_if_the_second_step_has_finished(original: Original, folder: Path) -> None:
    run("resize_image", original)
    run("generate_thumbnails", original)
    assert files(folder) == []


@pytest.mark.parametrize(
    ("format", "size", "expected"),
    [
        ("jpeg", (3600, 3000), False),
        ("jpeg", (4000, 3000), True),
        ("png", (1000, 1000), True),
        ("png", (999, 1000), False),
        ("heif", (4000, 3000), True),
    ],
)
def test_cache_is_used_for_originals_that_are_slow_to_decode(
    format: str, size: tuple[int, int], expected: bool
) -> None:
    original = Original(format=format, width=size[0], height=size[1])
    assert pixel_cache.pays(original) is expected


def test_cache_can_be_turned_off(
    original: Original, folder: Path, decodes: list[str | None], settings: Settings
) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "HANDOVER_BYTES": 0}
    run("generate_thumbnails", original)
    run("resize_image", original)
    assert (decodes, files(folder)) == (["PNG", "PNG"], [])


def test_pixels_are_removed_when_they_are_taken(folder: Path) -> None:
    original = Original(content_hash="ab" * 32)
    put(original)
    taken = pixel_cache.take(original)
    assert taken is not None
    with taken:
        assert taken.read() == Left().data
    assert pixel_cache.take(original) is None
    assert files(folder) == []


def test_pixels_of_other_presets_are_not_taken(settings: Settings) -> None:
    original = Original(content_hash="ab" * 32)
    put(original)
    settings.DARKROOM = {**settings.DARKROOM, "PRESETS": {"huge": {"width": 4000}}}
    assert pixel_cache.take(original) is None


def test_cache_has_a_size_limit(folder: Path, settings: Settings) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "HANDOVER_BYTES": 2 * len(Left().data) + 500}
    for number in range(5):
        put(Original(content_hash=f"{number:064}"))
    assert len(files(folder)) == 2


def test_old_pixels_are_removed(folder: Path) -> None:
    for number in range(2):
        put(Original(content_hash=f"{number:064}"))
    old, new = files(folder)
    os.utime(old, (time.time() - 601, time.time() - 601))
    pixel_cache.remove_old()
    assert files(folder) == [new]


def test_full_disk_leaves_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", fail)
    put(Original(content_hash="ab" * 32))
    assert files(folder) == []


def test_folder_is_readable_only_by_its_owner(folder: Path) -> None:
    put(Original(content_hash="ab" * 32))
    assert folder.stat().st_mode & 0o077 == 0


def test_unwritable_folder_is_ignored(
    original: Original, settings: Settings, tmp_path: Path, decodes: list[str | None]
) -> None:
    (tmp_path / "file").touch()
    settings.DARKROOM = {**settings.DARKROOM, "HANDOVER_DIR": str(tmp_path / "file")}
    run("generate_thumbnails", original)
    run("resize_image", original)
    pixel_cache.remove_old()
    assert decodes == ["PNG", "PNG"]
