"""Turning pictures and parts of them."""

from io import BytesIO

import pytest
from PIL import Image

from processing.images.geometry.orientation import swapped, turned
from processing.images.reading.header import read_header
from tests.processing import parts
from tests.processing.pictures import LIMITS, rendered

PART = (1, 0, 3, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_picture_has_the_swapped_size(orientation: int) -> None:
    stored = Image.new("L", (7, 4))
    upright = turned(stored, orientation)
    assert upright.size == swapped(stored.size, orientation)


def test_eight_orientations_are_distinct() -> None:
    stored = Image.new("L", (7, 4))
    stored.paste(255, PART)
    assert len({(turned(stored, one).tobytes(), turned(stored, one).size) for one in range(1, 9)}) == 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_swapping_a_size_twice_restores_it(orientation: int) -> None:
    assert swapped(swapped((7, 4), orientation), orientation) == (7, 4)


NO_EXIF = b"no EXIF at all"
WITH_NO_EXIF = {
    "PNG": parts.png(parts.chunk(b"eXIf", NO_EXIF)),
    "JPEG": parts.jpeg(parts.segment(0xE1, b"Exif\0\0" + NO_EXIF)),
    "WebP": parts.webp(parts.part(b"EXIF", NO_EXIF)),
}


@pytest.mark.parametrize("format", WITH_NO_EXIF)
def test_invalid_exif_is_ignored(format: str) -> None:
    data = WITH_NO_EXIF[format]
    header = read_header(BytesIO(data), name="a picture", limits=LIMITS)
    assert (header.width, header.height) == rendered(data).size
