"""Formats: which are taken, how their files begin, and which can be written here."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

import pillow_heif
from PIL import Image, features

from processing.images.refusals import TooManyPixels, UnsupportedFormat, decoder_errors
from processing.presets import Format, Size

pillow_heif.register_heif_opener(thumbnails=False)
# Pillow refuses more than twice this many. It stands behind our own limits, for what Pillow
# allocates before anybody can ask: a GIF's frame can claim more than its canvas.
Image.MAX_IMAGE_PIXELS = 210_000_000

# What files of each format begin with: (offset, bytes). The keys are Pillow's names.
_SIGNATURES: dict[str, tuple[tuple[int, bytes], ...]] = {
    "JPEG": ((0, b"\xff\xd8\xff"),),
    "PNG": ((0, b"\x89PNG\r\n\x1a\n"),),
    "GIF": ((0, b"GIF8"),),
    "WEBP": ((8, b"WEBP"),),
    "AVIF": ((4, b"ftyp"),),
    "HEIF": ((4, b"ftyp"),),
    "TIFF": ((0, b"II*\0"), (0, b"MM\0*")),
    "BMP": ((0, b"BM"),),
}
_SIGNATURE_BYTES = 16
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
    _check_signature(stream, limits=limits, name=name)
    # Pillow's limit is never lowered, for other threads may be decoding.
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, limits.pixels)
    with decoder_errors(name), Image.open(stream, formats=limits.formats) as image:
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


def _check_signature(stream: BinaryIO, *, limits: Limits, name: str) -> None:
    start = stream.read(_SIGNATURE_BYTES)
    stream.seek(0)
    signatures = [pair for format in limits.formats for pair in _SIGNATURES[format]]
    if not any(start[offset : offset + len(magic)] == magic for offset, magic in signatures):
        *most, last = (_SPELLING.get(format, format) for format in limits.formats)
        raise UnsupportedFormat(
            "{name} is no picture of a kind we take; send {most} or {last}.",
            name=name,
            most=", ".join(most),
            last=last,
        )
