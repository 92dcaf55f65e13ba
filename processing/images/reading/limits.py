"""Limits: what is taken, and how much of it."""

from dataclasses import dataclass

from processing.images.reading.refusals import TooManyPixels
from processing.presets import Size

INPUT_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF")
# Rare in browsers, and their decoders are broad: they are taken only where a setting says so.
EXTRA_FORMATS = ("TIFF", "BMP")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is taken: formats, by Pillow's names, how many pixels, and how much beside them.

    `pixels` are those of one frame, `side` its longer side, `animation_pixels` those of all frames
    together. `profile_bytes` and `text_bytes` are meant uncompressed; texts are all that is neither
    pixels nor profile.
    """

    pixels: int
    animation_pixels: int
    side: int = 65_535
    frames: int = 3000
    profile_bytes: int = 4 * 1024**2
    text_bytes: int = 16 * 1024**2
    formats: tuple[str, ...] = INPUT_FORMATS


def check_size(size: Size, *, limits: Limits, name: str = "The file") -> None:
    """Raise `TooManyPixels` if a frame of that size is too large."""
    width, height = size
    if width * height > limits.pixels:
        raise TooManyPixels(
            "{name} has {width} × {height} pixels; at most {limit} megapixels are taken.",
            name=name,
            width=width,
            height=height,
            limit=f"{limits.pixels / 1e6:.0f}",
        )
    if max(size) > limits.side:
        raise TooManyPixels(
            "{name} has {width} × {height} pixels; at most {limit} are taken on either side.",
            name=name,
            width=width,
            height=height,
            limit=limits.side,
        )
