"""Encoding: pixels to bytes, without metadata."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from PIL import Image

from processing.presets import Format, Preset, Recipe

_QUALITY: dict[Format, int] = {"webp": 80, "jpeg": 82, "avif": 60, "png": 0}
_BACKGROUND = "#ffffff"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A rendition's bytes, with its size in pixels and its number of frames.

    `frames_left_out` counts the original's frames beyond the budget.
    """

    data: bytes
    width: int
    height: int
    frames: int = 1
    frames_left_out: int = 0


def ready(picture: Image.Image) -> Image.Image:
    """Return a picture for encoders: RGBa (premultiplied alpha) as RGBA, and with an empty `info`.

    Pillow would write the contents of `info`.
    """
    clean = picture.convert("RGBA") if picture.mode == "RGBa" else picture
    clean.info = {}
    return clean


def encode(picture: Image.Image, recipe: Recipe) -> Encoded:
    """Return the rendition of pixels that are `ready`, without profile, comment or metadata.

    Two threads must not encode the same picture, because Pillow stores the encoder's options on it.
    """
    output = BytesIO()
    _ENCODERS[recipe.format](picture, output, recipe.preset)
    return Encoded(output.getvalue(), *picture.size)


def quality_of(preset: Preset, format: Format) -> int:
    """Return the preset's quality, or the format's default."""
    return preset.quality if preset.quality is not None else _QUALITY[format]


def webp_effort(preset: Preset) -> int:
    """Return libwebp's method, 0 to 6."""
    return min(6, 2 if preset.effort is None else preset.effort)


def _encode_webp(picture: Image.Image, output: BinaryIO, preset: Preset) -> None:
    picture.save(output, "WEBP", quality=quality_of(preset, "webp"), method=webp_effort(preset))


def _encode_jpeg(picture: Image.Image, output: BinaryIO, preset: Preset) -> None:
    flat = picture if picture.mode == "RGB" else flattened(picture, preset.background or _BACKGROUND)
    flat.save(output, "JPEG", quality=quality_of(preset, "jpeg"), progressive=True)


def _encode_png(picture: Image.Image, output: BinaryIO, preset: Preset) -> None:
    picture.save(output, "PNG", compress_level=min(9, 6 if preset.effort is None else preset.effort))


def _encode_avif(picture: Image.Image, output: BinaryIO, preset: Preset) -> None:
    speed = 8 if preset.effort is None else 10 - preset.effort
    # With several threads libavif divides the picture differently, which changes the bytes.
    picture.save(output, "AVIF", quality=quality_of(preset, "avif"), speed=speed, max_threads=1)


def flattened(picture: Image.Image, background: str) -> Image.Image:
    """Return an RGBA picture as RGB, on a plain background, given as #rrggbb."""
    canvas = Image.new("RGB", picture.size, background)
    canvas.paste(picture, mask=picture.getchannel("A"))
    return canvas


_ENCODERS: dict[Format, Callable[[Image.Image, BinaryIO, Preset], None]] = {
    "webp": _encode_webp,
    "jpeg": _encode_jpeg,
    "png": _encode_png,
    "avif": _encode_avif,
}
