"""Resampling: one place for it, the same pixels on every processor, and nearly Pillow's."""

import random
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cykooz_resizer import CpuExtensions, Resizer
from PIL import Image, ImageFilter

from processing.images.geometry import resampling
from processing.images.geometry.resampling import INSTALLED, miniature, resampled
from processing.images.source import decode
from processing.presets import RESAMPLERS, Box, Preset, Recipe, Resampler
from tests.conftest import MakeImage
from tests.processing.pictures import LIMITS, distance
from tests.processing.processes import ROOT

pytestmark = pytest.mark.slow

MODES = ["L", "RGB", "RGBa", "CMYK"]
# Other methods with these names change no picture's size: `functools.reduce` is not used in this package.
CHANGES_OF_SIZE = re.compile(r"\.(resize|reduce|thumbnail|resize_pil)\(|ImageOps\.(fit|contain|pad|scale)")


def scene(mode: str, size: tuple[int, int] = (701, 523)) -> Image.Image:
    """Return a picture with edges and grain in every channel, the same on every machine."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    grain = [Image.frombytes("L", (64, 48), random.Random(seed).randbytes(64 * 48)) for seed in range(bands)]
    channels = [band.resize(size).filter(ImageFilter.BoxBlur(2)) for band in grain]
    for channel in channels:
        channel.paste(250, (300, 100, 420, 333))
    if mode != "RGBa":
        return Image.merge(mode, channels)
    return Image.merge("RGBA", channels).convert("RGBa")


def test_every_change_of_size_is_in_one_module() -> None:
    package = ROOT / "processing" / "images"
    found = {path.name for path in package.rglob("*.py") if CHANGES_OF_SIZE.search(path.read_text())}
    assert found == {"resampling.py"}


def test_simd_is_installed_where_the_tests_run() -> None:
    assert INSTALLED == "simd"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(320, 239), (67, 49), (900, 600), (1, 1), (701, 100)])
def test_simd_gives_nearly_the_pixels_of_pillow(mode: str, size: tuple[int, int]) -> None:
    picture = scene(mode)
    ours = resampled(picture, size, resampler="simd")
    assert (ours.mode, ours.size) == (mode, size)
    assert distance(plain(ours), plain(picture.resize(size, Image.Resampling.LANCZOS))) < 0.5


def plain(picture: Image.Image) -> Image.Image:
    """Return RGBa, which Pillow does not compare, as four other channels."""
    return Image.merge("CMYK", picture.split()) if picture.mode == "RGBa" else picture


@pytest.mark.parametrize("mode", [*MODES, "LAB"])
@pytest.mark.parametrize("resampler", RESAMPLERS)
def test_part_of_a_picture_is_resampled_from_that_part(mode: str, resampler: Resampler) -> None:
    picture, box = scene(mode), (10, 20, 410, 320)
    part = resampled(picture, (200, 150), box=box, resampler=resampler)
    # Inside, where the filter reaches nothing beyond the part.
    inside = (4, 4, 196, 146)
    expected = resampled(picture.crop(box), (200, 150), resampler=resampler)
    assert part.crop(inside).tobytes() == expected.crop(inside).tobytes()


@pytest.mark.parametrize("mode", MODES)
def test_pixels_are_the_same_on_every_processor(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package chooses the instructions when it starts; here each choice is made for it."""
    best = Resizer().cpu_extensions
    if best != CpuExtensions.avx2:
        pytest.skip(f"This processor offers {best}; the test compares AVX2, SSE4.1 and none.")
    renditions = {}
    for extensions in (CpuExtensions.avx2, CpuExtensions.sse4_1, CpuExtensions.none):
        monkeypatch.setattr(resampling, "Resizer", limited_to(extensions))
        renditions[extensions] = [
            resampled(scene(mode), size, box=box, resampler="simd").tobytes()
            for size in ((320, 239), (67, 49), (900, 600))
            for box in (None, (3.3, 7.9, 611.2, 500.5))
        ]
    assert len({tuple(pixels) for pixels in renditions.values()}) == 1


def limited_to(extensions: CpuExtensions) -> Callable[[], Resizer]:
    def make() -> Resizer:
        resizer = Resizer()
        resizer.cpu_extensions = extensions
        return resizer

    return make


def test_box_may_end_at_the_edge_by_any_rounding() -> None:
    chance, picture = random.Random(7), Image.new("RGB", (97, 61))
    for _ in range(2000):
        left, top = chance.random() * 90, chance.random() * 55
        box: Box = (left, top, left + (97 - left) * 1.0000000000000002, top + (61 - top))
        assert resampled(picture, (9, 7), box=box, resampler="simd").size == (9, 7)


def test_picture_of_the_wanted_size_is_not_copied() -> None:
    picture = scene("RGB")
    assert resampled(picture, picture.size, resampler=INSTALLED) is picture


def test_picture_of_several_blocks_of_memory_is_read_in_whole() -> None:
    """Pillow keeps a large picture in blocks of 16 MiB."""
    picture = scene("RGB", (3001, 3001))
    ours = resampled(picture, (100, 100), resampler="simd")
    assert distance(ours, picture.resize((100, 100), Image.Resampling.LANCZOS)) < 0.5


WITHOUT_MEMORY = """
import resource
from pathlib import Path
from PIL import Image
from processing.images.geometry.resampling import resampled
picture = Image.new("RGB", (8000, 8000))
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 40 * 1024**2, used + 40 * 1024**2))
try:
    resampled(picture, (1920, 1920), resampler="simd")
except MemoryError:
    print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory a process has mapped")
def test_lack_of_memory_is_an_error_and_does_not_end_the_process() -> None:
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_MEMORY]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert process.stdout == "refused\n"


def test_threads_resample_side_by_side() -> None:
    picture = scene("RGB")
    expected = resampled(picture, (320, 239), resampler=INSTALLED).tobytes()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: resampled(picture, (320, 239), resampler=INSTALLED), range(40)))
    assert {one.tobytes() for one in found} == {expected}


def test_miniature_leaves_the_picture_as_it_is() -> None:
    picture = scene("RGB")
    assert miniature(picture, 32).size == (32, 24)
    assert picture.size == (701, 523)


@pytest.mark.parametrize("resampler", RESAMPLERS)
def test_renditions_are_made_by_the_resampler_that_is_asked_for(
    resampler: Resampler, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []
    by_simd = resampling._by_simd

    def record(*given: Any) -> Image.Image:
        used.append("simd")
        return by_simd(*given)

    monkeypatch.setattr(resampling, "_by_simd", record)
    preset = Preset(name="p", width=100)
    data = make_image(width=640, height=480, format="PNG")
    source = decode(data, presets=[preset], limits=LIMITS, resampler=resampler)
    assert source.render(Recipe(preset, "webp")).width == 100
    assert bool(used) == (resampler == "simd")
