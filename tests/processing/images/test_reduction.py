"""The single decode: its reduced picture is aligned exactly with the original."""

from io import BytesIO
from math import sin

import pytest
from PIL import Image

from processing.images.geometry.reduction import decoded_picture
from processing.images.geometry.resampling import INSTALLED, premultiply
from processing.presets import RESAMPLERS, Resampler
from tests.processing.pictures import distance, opened

pytestmark = pytest.mark.slow

# Every colour with every alpha.
PAIRS = [(colour, 255 - colour, colour // 2, alpha) for alpha in range(256) for colour in range(256)]


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
    picture = decoded_picture(Image.open(BytesIO(data)), target, resampler=INSTALLED)
    full = opened(data)
    full = full.convert("RGBA").convert("RGBa") if mode == "RGBA" else full.convert("RGB")
    expected = full.resize(target, Image.Resampling.LANCZOS)
    assert picture.mode == ("RGBa" if mode == "RGBA" else "RGB")
    assert distance(straight(picture), straight(expected)) < limit


def straight(picture: Image.Image) -> Image.Image:
    return picture.convert("RGBA").convert("RGB") if picture.mode == "RGBa" else picture


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "I;16"])
@pytest.mark.parametrize("resampler", RESAMPLERS)
def test_reduction_in_strips_equals_reduction_at_once(
    mode: str, resampler: Resampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image.frombytes(
        mode, (101, 67), bytes(index * 37 % 251 for index in range(101 * 67 * 4))[: _size(mode)]
    )
    one = decoded_picture(image.copy(), (20, 13), resampler=resampler)
    monkeypatch.setattr("processing.images.geometry.reduction._STRIP_PIXELS", 900)
    monkeypatch.setattr("processing.images.geometry.reduction.premultiply", lambda _: False)
    other = decoded_picture(image.copy(), (20, 13), resampler=resampler)
    assert one.size == other.size == (20, 13)
    # The sides are reduced one after the other in strips, which rounds twice.
    assert distance(straight(one), straight(other)) < 1


def _size(mode: str) -> int:
    return len(Image.new(mode, (101, 67)).tobytes())


def test_jpeg_that_the_decoder_has_scaled_is_not_cut() -> None:
    """The last column of a scaled JPEG covers less than the others, if its width is not divisible."""
    data = waves((1003, 757), "JPEG")
    picture = decoded_picture(Image.open(BytesIO(data)), (250, 189), resampler=INSTALLED)
    expected = opened(data).resize((250, 189), Image.Resampling.LANCZOS)
    last = (240, 0, 250, 189)
    assert distance(picture.crop(last), expected.crop(last)) < 1.5


def test_premultiplying_gives_the_pixels_of_pillow() -> None:
    picture = Image.frombytes("RGBA", (256, 256), bytes(value for pair in PAIRS for value in pair))
    expected = picture.convert("RGBa")
    assert premultiply(picture)
    assert (picture.mode, picture.tobytes()) == ("RGBa", expected.tobytes())
