"""Encoding: pixels to bytes, without metadata except for the credit that a site keeps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from PIL import Image, PngImagePlugin

from processing.images.encoding.credit import NO_CREDIT, Credit
from processing.images.encoding.graphics import is_small
from processing.presets import Format, Preset, Recipe

_QUALITY: dict[Format, int] = {"webp": 80, "jpeg": 82, "avif": 60, "png": 0}
_BACKGROUND = "#ffffff"
# Bytes of a lossless WebP that is small enough to prefer it to a lossy one of the same graphic, even if it is
# several times as large. A larger one may be up to twice as large.
_SMALL_BYTES, _TIMES_IF_SMALL, _TIMES = 16 * 1024, 4, 2


@dataclass(frozen=True, slots=True)
class Traits:
    """The properties that decide how a picture is encoded, besides its preset.

    `graphic` says that it is no photograph (`graphics`), and `was_lossless` that its original is a lossless
    WebP. `credit` is written into the rendition.
    """

    graphic: bool = False
    was_lossless: bool = False
    credit: Credit = NO_CREDIT


@dataclass(frozen=True, slots=True)
class Encoded:
    """A rendition's bytes, with its size in pixels and its number of frames.

    `frames_left_out` counts the original's frames beyond the budget. The last two fields are the time that
    resizing and encoding took; several formats share one resizing, which counts for the first of them.
    """

    data: bytes
    width: int
    height: int
    frames: int = 1
    frames_left_out: int = 0
    resize_seconds: float = field(default=0.0, compare=False)
    encode_seconds: float = field(default=0.0, compare=False)


def ready(picture: Image.Image) -> Image.Image:
    """Return a picture for encoders: RGBa (premultiplied alpha) as RGBA, and with an empty `info`.

    Pillow would write the contents of `info`.
    """
    clean = picture.convert("RGBA") if picture.mode == "RGBa" else picture
    clean.info = {}
    return clean


def encode(picture: Image.Image, recipe: Recipe, traits: Traits = Traits()) -> Encoded:
    """Return the rendition of pixels that are `ready`, without profile, comment or metadata but the credit.

    Several threads may encode the same picture.
    """
    # Pillow stores an encoder's options on the picture, so each encoder gets another picture of these pixels.
    shared = picture._new(picture.im)  # noqa: SLF001  # every public call would copy the pixels
    return Encoded(_ENCODERS[recipe.format](shared, recipe.preset, traits), *picture.size)


def quality_of(preset: Preset, format: Format) -> int:
    """Return the preset's quality, or the format's default."""
    return preset.quality if preset.quality is not None else _QUALITY[format]


def webp_effort(preset: Preset) -> int:
    """Return libwebp's method, 0 to 6."""
    return min(6, 2 if preset.effort is None else preset.effort)


def _encode_webp(picture: Image.Image, preset: Preset, traits: Traits) -> bytes:
    """Return the picture as lossy WebP, or as lossless WebP if it is smaller or plainly better."""
    effort = webp_effort(preset)
    tags = _tags(traits.credit)
    lossy = _saved(picture, "WEBP", **tags, quality=quality_of(preset, "webp"), method=effort)
    stays = traits.was_lossless and is_small(picture)
    if not (traits.graphic or stays):
        return lossy
    lossless = _saved(picture, "WEBP", **tags, lossless=True, method=effort)
    small = len(lossless) <= _SMALL_BYTES
    if len(lossless) <= len(lossy) * (_TIMES_IF_SMALL if small else _TIMES) or (stays and small):
        return lossless
    return lossy


def _encode_jpeg(picture: Image.Image, preset: Preset, traits: Traits) -> bytes:
    flat = picture if picture.mode == "RGB" else flattened(picture, preset.background or _BACKGROUND)
    options = _tags(traits.credit) | ({"subsampling": "4:4:4"} if traits.graphic else {})
    options["quality"] = quality_of(preset, "jpeg")
    try:
        return _saved(flat, "JPEG", progressive=True, **options)
    except OSError:
        # Pillow's buffer for a progressive JPEG has a byte for each pixel. Noise in full colour needs more.
        return _saved(flat, "JPEG", **options)


def _encode_png(picture: Image.Image, preset: Preset, traits: Traits) -> bytes:
    tags = _tags(traits.credit)
    if "xmp" in tags:
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", tags.pop("xmp").decode())
        tags["pnginfo"] = texts
    level = min(9, 6 if preset.effort is None else preset.effort)
    return _saved(picture, "PNG", compress_level=level, **tags)


def _encode_avif(picture: Image.Image, preset: Preset, traits: Traits) -> bytes:
    speed = 8 if preset.effort is None else 10 - preset.effort
    options = _tags(traits.credit) | ({"subsampling": "4:4:4"} if traits.graphic else {})
    quality = quality_of(preset, "avif")
    # With several threads libavif divides the picture differently, which changes the bytes.
    return _saved(picture, "AVIF", quality=quality, speed=speed, max_threads=1, **options)


def _tags(credit: Credit) -> dict[str, Any]:
    """Return Pillow's options that write the credit."""
    return {name: data for name, data in (("exif", credit.exif()), ("xmp", credit.xmp())) if data}


def _saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    output = BytesIO()
    picture.save(output, format, **options)
    return output.getvalue()


def flattened(picture: Image.Image, background: str) -> Image.Image:
    """Return an RGBA picture as RGB, on a plain background, given as #rrggbb."""
    canvas = Image.new("RGB", picture.size, background)
    canvas.paste(picture, mask=picture.getchannel("A"))
    return canvas


_ENCODERS: dict[Format, Callable[[Image.Image, Preset, Traits], bytes]] = {
    "webp": _encode_webp,
    "jpeg": _encode_jpeg,
    "png": _encode_png,
    "avif": _encode_avif,
}
