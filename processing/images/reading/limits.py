"""Limits: the formats that are accepted, and how large a file's parts may be."""

from dataclasses import dataclass

from processing.images.reading.refusals import TooManyPixels
from processing.presets import Size

INPUT_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF")
# Rare in browsers, and their decoders have a large attack surface: accepted only if a setting names them.
EXTRA_FORMATS = ("TIFF", "BMP")

# A frame of an animation or a scan of a JPEG counts as at least this many pixels. Each costs time however
# small it is, and a thumbnail may enlarge a frame to this size.
LEAST_FRAME = 256 * 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The accepted formats, by Pillow's names, and the limits of pixels and of other data.

    `pixels` limits one frame, `side` its longer side, and `animation_pixels` all frames together.
    Bytes count uncompressed, those of compressed text fourfold. Text is everything that is neither pixels
    nor profile.
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
            "{name} has {width} × {height} pixels; the limit is {limit} megapixels. "
            "Upload a smaller version.",
            name=name,
            width=width,
            height=height,
            limit=f"{limits.pixels / 1e6:.0f}",
        )
    if max(size) > limits.side:
        raise TooManyPixels(
            "{name} has {width} × {height} pixels; the limit is {limit} on each side. "
            "Upload a smaller version.",
            name=name,
            width=width,
            height=height,
            limit=limits.side,
        )


def frames_within(limits: Limits, *, canvas: Size) -> int:
    """Return how many frames as large as the canvas fit the budget; the first one always does."""
    return max(1, min(limits.frames, limits.animation_pixels // max(canvas[0] * canvas[1], LEAST_FRAME)))
