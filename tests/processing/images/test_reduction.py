"""The single decode: its reduced picture is aligned exactly with the original."""

from io import BytesIO
from math import sin

import pytest
from PIL import Image

from processing.images.geometry.reduction import View, decoded_view, whole
from processing.images.geometry.resampling import INSTALLED
from tests.processing.pictures import distance, opened

pytestmark = pytest.mark.slow


def wave(length: int) -> bytes:
    return bytes(round(128 + 100 * sin(place / 8)) for place in range(length))


def waves(size: tuple[int, int], format: str, mode: str = "RGB") -> bytes:
    """Return waves in both directions, which reveal a shift of half a pixel but not the filter."""
    across = Image.frombytes("L", (size[0], 1), wave(size[0]))
    down = Image.frombytes("L", (1, size[1]), wave(size[1]))
    bands = [across.resize(size), down.resize(size), Image.new("L", size, 90)]
    image = Image.merge("RGB", bands).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(size))
    output = BytesIO()
    image.save(output, format, quality=95, subsampling=0)
    return output.getvalue()


@pytest.mark.parametrize("size", [(1000, 750), (1001, 751), (1003, 757), (999, 1501)])
@pytest.mark.parametrize(
    ("format", "mode", "limit"),
    [("JPEG", "RGB", 0.8), ("PNG", "RGB", 0.8), ("PNG", "RGBA", 1.5), ("WEBP", "RGBA", 1.5)],
)
def test_reduction_does_not_shift_the_picture(
    format: str, mode: str, limit: float, size: tuple[int, int]
) -> None:
    data = waves(size, format, mode)
    target = size[0] // 5, size[1] // 5
    view = decoded_view(Image.open(BytesIO(data)), target).resized(target, resampler=INSTALLED)
    full = opened(data)
    full = full.convert("RGBA").convert("RGBa") if mode == "RGBA" else full.convert("RGB")
    expected = full.resize(target, Image.Resampling.LANCZOS)
    assert view.picture.mode == ("RGBa" if mode == "RGBA" else "RGB")
    assert distance(straight(view.picture), straight(expected)) < limit


def straight(picture: Image.Image) -> Image.Image:
    return picture.convert("RGBA").convert("RGB") if picture.mode == "RGBa" else picture


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "I;16"])
def test_reduction_in_strips_equals_reduction_at_once(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.frombytes(
        mode, (101, 67), bytes(index * 37 % 251 for index in range(101 * 67 * 4))[: _size(mode)]
    )
    one = decoded_view(image.copy(), (20, 13))
    monkeypatch.setattr("processing.images.geometry.reduction._STRIP_PIXELS", 900)
    other = decoded_view(image.copy(), (20, 13))
    assert one.box == other.box == (0, 0, 101 / 5, 67 / 5)
    assert one.picture.size == other.picture.size == (21, 14)
    assert one.picture.tobytes() == other.picture.tobytes()


def _size(mode: str) -> int:
    return len(Image.new(mode, (101, 67)).tobytes())


def test_view_is_reduced_by_an_integer_factor_and_stays_large_enough() -> None:
    view = View(Image.new("RGB", (21, 14)), (0, 0, 20.5, 13.5))
    assert view.reduced((10, 6)).box == (0, 0, 10.25, 6.75)
    assert view.reduced((10, 6)).picture.size == (11, 7)
    assert view.reduced((11, 6)) is view
    assert view.reduced((30, 30)) is view


def test_view_of_the_target_size_is_not_resized() -> None:
    view = whole(Image.new("RGB", (20, 10)))
    assert view.resized((20, 10), resampler=INSTALLED).picture is view.picture
    assert view.resized((10, 5), resampler=INSTALLED).picture.size == (10, 5)
