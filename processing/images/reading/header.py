"""Headers: a file's properties that are known before any pixel is decoded."""

from dataclasses import dataclass
from typing import BinaryIO

from processing.images.geometry.orientation import swapped, told_orientation
from processing.images.reading.chunks import without_damage
from processing.images.reading.formats import format_name, opened
from processing.images.reading.limits import Limits
from processing.images.reading.truncation import openable


@dataclass(frozen=True, slots=True)
class Header:
    """A picture's format in lower case, its upright size, and whether it may be transparent."""

    format: str
    width: int
    height: int
    has_alpha: bool


def read_header(file: BinaryIO, *, name: str, limits: Limits) -> Header:
    """Return the file's header, without decoding a pixel.

    Raises the refusals of `opened`; `name` is used only in their text.
    """
    with opened(without_damage(openable(file), pixels=False), limits=limits, name=name) as image:
        width, height = swapped(image.size, told_orientation(image))
        return Header(format_name(image), width, height, image.has_transparency_data)
