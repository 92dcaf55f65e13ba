"""The tiny images are valid, and as they were asked for."""

import io

import pytest
from PIL import Image

from processing import conf
from processing.images.reading.header import read_header
from processing.presets import Format
from uploads.testing import tiny_file, tiny_image


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
def test_image_has_its_format_size_and_colour(format: Format) -> None:
    data = tiny_image(width=30, height=20, color="#c03010", format=format)
    header = read_header(io.BytesIO(data), name="tiny", limits=conf.limits())
    assert (header.format, header.width, header.height, header.has_alpha) == (format, 30, 20, False)
    pixel = opened(data).convert("RGB").getpixel((15, 10))
    assert isinstance(pixel, tuple)
    assert max(abs(one - other) for one, other in zip(pixel, (0xC0, 0x30, 0x10), strict=True)) < 8


def test_same_arguments_give_the_same_bytes() -> None:
    assert tiny_image() == tiny_image()
    assert tiny_image() != tiny_image(color="#ffffff")


@pytest.mark.parametrize(
    ("name", "format"), [("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("a.png", "PNG"), ("a.webp", "WEBP")]
)
def test_name_gives_the_format(name: str, format: str) -> None:
    file = tiny_file(name, width=3, height=2)
    assert (file.name, file.content_type) == (name, f"image/{format.lower()}")
    image = opened(file.read())
    assert (image.format, image.size) == (format, (3, 2))


def test_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must end with one of \.jpg, \.jpeg, \.png, \.webp"):
        tiny_file("notes.txt")
