"""Headers: what a file says of itself before any pixel is decoded."""

from dataclasses import dataclass
from typing import BinaryIO

from processing.images.formats import format_name, opened
from processing.images.limits import Limits
from processing.images.orientation import swapped, told_orientation


@dataclass(frozen=True, slots=True)
class Header:
    """A picture's format, in small letters, its upright size, and whether it may be transparent."""

    format: str
    width: int
    height: int
    has_alpha: bool


def read_header(file: BinaryIO, *, name: str, limits: Limits) -> Header:
    """Return what the file's first bytes say, without decoding a pixel.

    Raises `UnsupportedFormat`, `UnreadableImage` or `TooManyPixels`; `name` is only for their text.
    """
    with opened(file, limits=limits, name=name) as image:
        width, height = swapped(image.size, told_orientation(image))
        return Header(format_name(image), width, height, image.has_transparency_data)
