"""Formats that are accepted only if a setting allows them, and these settings."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from pytest_django import Settings

from processing import conf
from processing.images.reading.header import Header, read_header
from processing.images.reading.limits import EXTRA_FORMATS, INPUT_FORMATS, Limits
from processing.images.reading.refusals import UnsupportedFormat
from processing.images.source import decode
from processing.presets import Preset, Recipe
from tests.processing.pictures import LIMITS, distance, opened

ALL = Limits(pixels=10**8, animation_pixels=10**8, formats=INPUT_FORMATS + EXTRA_FORMATS)
PRESET = Preset(name="p", width=60)


def with_orientation(orientation: int, format: str, compression: str | None) -> bytes:
    """Return a picture whose upper left is red as stored."""
    image, exif = Image.new("RGB", (60, 40), "blue"), Image.Exif()
    image.paste("red", (0, 0, 20, 20))
    exif[0x0112] = orientation
    output = BytesIO()
    image.save(output, format, exif=exif, compression=compression)
    return output.getvalue()


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_is_rotated_once(orientation: int, compression: str | None) -> None:
    tiff = with_orientation(orientation, "TIFF", compression)
    jpeg = with_orientation(orientation, "JPEG", None)
    one, other = (decode(data, presets=[PRESET], limits=ALL) for data in (tiff, jpeg))
    header = read_header(BytesIO(tiff), name="x", limits=ALL)
    assert one.size == other.size == (header.width, header.height)
    assert distance(*(opened(source.render(Recipe(PRESET, "png")).data) for source in (one, other))) < 6


def test_bmp_is_accepted_if_enabled() -> None:
    output = BytesIO()
    Image.new("RGB", (60, 40), "red").save(output, "BMP")
    output.seek(0)
    assert read_header(output, name="x", limits=ALL) == Header("bmp", 60, 40, has_alpha=False)
    picture = opened(
        decode(output.getvalue(), presets=[PRESET], limits=ALL).render(Recipe(PRESET, "png")).data
    )
    assert picture.getpixel((30, 20)) == (255, 0, 0)


@pytest.mark.parametrize("name", ["16bit.cropped.tif", "hopper.iccprofile.tif"])
def test_tiff_is_accepted_only_if_enabled(name: str, corpus: Path) -> None:
    data = (corpus / "colour" / name).read_bytes()
    assert decode(data, presets=[PRESET], limits=ALL).size in {(64, 64), (128, 128)}
    with pytest.raises(UnsupportedFormat, match=r"Upload JPEG, PNG, GIF, WebP, AVIF or HEIC\."):
        decode(data, presets=[PRESET], limits=LIMITS)


def test_sixteen_bit_tiff_is_scaled(corpus: Path) -> None:
    data = (corpus / "colour" / "16bit.cropped.tif").read_bytes()
    deep = opened(data)
    picture = opened(decode(data, presets=[PRESET], limits=ALL).render(Recipe(PRESET, "png")).data).convert(
        "L"
    )
    expected = deep.convert("I").point(lambda value: value * (1 / 256)).convert("L").resize(picture.size)
    assert distance(picture, expected) < 8


def test_setting_adds_input_formats(settings: Settings) -> None:
    assert conf.limits().formats == INPUT_FORMATS
    settings.DARKROOM = {**settings.DARKROOM, "EXTRA_FORMATS": ["bmp", "tiff"]}
    assert conf.limits().formats == (*INPUT_FORMATS, "BMP", "TIFF")
    with pytest.raises(UnsupportedFormat, match=r"AVIF, HEIC, BMP or TIFF\."):
        read_header(BytesIO(b"nothing"), name="x", limits=conf.limits())
