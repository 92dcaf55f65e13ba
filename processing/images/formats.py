"""Formats: which are taken, and which can be written here."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

import pillow_heif
from PIL import Image, features

from processing.images.refusals import TooManyPixels, UnsupportedFormat, decoder_errors
from processing.images.signatures import BEGINNING, formats_of, kind_of
from processing.presets import Format, Size

pillow_heif.register_heif_opener(thumbnails=False)
# Pillow refuses more than twice this many. It stands behind our own limits, for what Pillow
# allocates before anybody can ask: a GIF's frame can claim more than its canvas.
Image.MAX_IMAGE_PIXELS = 210_000_000

_SPELLING = {"WEBP": "WebP", "HEIF": "HEIC"}

INPUT_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF")
# Rare in browsers, and their decoders are broad: they are taken only where a setting says so.
EXTRA_FORMATS = ("TIFF", "BMP")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is taken: formats, by Pillow's names, and how many pixels.

    `pixels` are those of one frame, `animation_pixels` those of all frames together.
    """

    pixels: int
    animation_pixels: int
    formats: tuple[str, ...] = INPUT_FORMATS


@contextmanager
def opened(file: BinaryIO | bytes, *, limits: Limits, name: str = "The file") -> Iterator[Image.Image]:
    """Open a picture whose header is all that has been read, and whose size is within the limits.

    Raises `UnsupportedFormat`, `UnreadableImage` or `TooManyPixels`, whatever is thrown here or by
    a decoder inside the `with`; `name` is only for their text.
    """
    stream = BytesIO(file) if isinstance(file, bytes) else file
    formats = _sniffed(stream, limits=limits, name=name)
    # Pillow's limit is never lowered, for other threads may be decoding.
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, limits.pixels)
    with decoder_errors(name), Image.open(stream, formats=formats) as image:
        check_pixels(image.size, limits=limits, name=name)
        yield image


def check_pixels(size: Size, *, limits: Limits, name: str = "The file") -> None:
    """Raise `TooManyPixels` if a frame of that size is too large."""
    if size[0] * size[1] > limits.pixels:
        raise TooManyPixels(
            "{name} has {width} × {height} pixels; at most {limit} megapixels are taken.",
            name=name,
            width=size[0],
            height=size[1],
            limit=f"{limits.pixels / 1e6:.0f}",
        )


def format_name(image: Image.Image) -> str:
    """Return the format in small letters; an MPO is a JPEG with more behind it."""
    name = (image.format or "").lower()
    return {"mpo": "jpeg"}.get(name, name)


def can_encode(format: Format) -> bool:
    """Tell whether this installation has the encoder of `format`."""
    return format in {"jpeg", "png"} or bool(features.check(format))


def _sniffed(stream: BinaryIO, *, limits: Limits, name: str) -> tuple[str, ...]:
    """Return the formats whose decoders are to look at the file: those that its first bytes name."""
    beginning = stream.read(BEGINNING)
    stream.seek(0)
    found = tuple(format for format in formats_of(beginning) if format in limits.formats)
    if not found:
        raise _unsupported(beginning, limits=limits, name=name)
    return found


def _unsupported(beginning: bytes, *, limits: Limits, name: str) -> UnsupportedFormat:
    *several, last = (_SPELLING.get(format, format) for format in limits.formats)
    most = ", ".join(several)
    if not beginning:
        return UnsupportedFormat("{name} is empty; send the file again.", name=name)
    kind = kind_of(beginning)
    if kind is None:
        return UnsupportedFormat(
            "{name} is no picture of a kind we take; send {most} or {last}.", name=name, most=most, last=last
        )
    return UnsupportedFormat(
        "{name} is {kind}; send {most} or {last}.", name=name, kind=kind, most=most, last=last
    )
