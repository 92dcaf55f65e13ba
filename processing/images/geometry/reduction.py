"""The one decode, and the first reduction: from the file to a picture that is cheap to work on.

A decoder that scales (JPEG's, by halves) does most of the reduction while it decodes. A picture that needs
another mode, because of transparency or a palette, is converted and made narrower in strips, so it is never
held twice in full size.
"""

from collections.abc import Callable, Iterator

from PIL import Image

from processing.images.geometry.resampling import premultiply, resampled
from processing.presets import Resampler, Size

# Pixels processed at once: they fit the processor's cache.
_STRIP_PIXELS = 256 * 1024
_DIRECT_MODES = {"L", "RGB", "CMYK", "LAB"}


def loaded(image: Image.Image) -> Image.Image:
    """Return the picture after decoding it."""
    image.load()
    return image


def decoded_picture(
    image: Image.Image,
    size: Size,
    *,
    resampler: Resampler,
    load: Callable[[Image.Image], Image.Image] = loaded,
) -> Image.Image:
    """Return the opened picture in `size`, which is no larger than the picture.

    Its mode is one of L, RGB, RGBa (alpha premultiplied), CMYK and LAB. A file opens at its first frame, or
    at its primary item (HEIC), which need not be the first. `load` decodes it.
    """
    scaled = image.draft(None, size)
    picture = load(image)
    mode = _mode_for(picture)
    if mode != picture.mode and not (mode == "RGBa" and premultiply(picture)):
        return resampled(_converted(picture, mode, size[0], resampler), size, resampler=resampler)
    # The box ends between two pixels if the decoder has scaled a picture that is not divisible.
    return resampled(picture, size, box=scaled[1] if scaled else None, resampler=resampler)


def _converted(image: Image.Image, mode: str, width: int, resampler: Resampler) -> Image.Image:
    """Return the picture in that mode and width, and in its full height."""
    canvas = Image.new(mode, (width, image.height))
    for top, strip in strips(image):
        narrow = resampled(_in_mode(strip, mode), (width, strip.height), resampler=resampler)
        canvas.paste(narrow, (0, top))
    return canvas


def _mode_for(image: Image.Image) -> str:
    """Return the mode in which the picture is resized."""
    _scale_transparent_value(image)
    if image.has_transparency_data and _is_transparent(image):
        return "RGBa"
    if image.mode in _DIRECT_MODES:
        return image.mode
    return "L" if image.mode in {"1", "LA"} or _is_deep(image) else "RGB"


def _scale_transparent_value(image: Image.Image) -> None:
    """Scale the transparent value of a PNG to 8 bits, in the cases in which Pillow scales the pixels.

    Pillow does not keep the original bit depth: grey of 2 or 4 bits is recognised by its levels.
    """
    value = image.info.get("transparency")
    if image.format != "PNG":
        return
    if image.mode == "RGB" and isinstance(value, tuple) and max(value) > 255:
        image.info["transparency"] = tuple(channel >> 8 for channel in value)
    if image.mode == "L" and isinstance(value, int) and value < 16:
        levels = {level for level, count in enumerate(image.histogram()) if count}
        for step in (17, 85):
            if value not in levels and value * step in levels and not any(level % step for level in levels):
                image.info["transparency"] = value * step


def _is_transparent(image: Image.Image) -> bool:
    """Return whether any pixel is less than opaque."""
    return any(with_alpha(strip).getchannel("A").getextrema()[0] != 255 for _, strip in strips(image))


def _is_deep(image: Image.Image) -> bool:
    """Return whether the picture is grey of more than 8 bits."""
    return image.mode in {"I", "F"} or image.mode.startswith("I;16")


def strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield the picture in strips, each with its top."""
    height = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, height):
        yield top, image.crop((0, top, image.width, min(top + height, image.height)))


def _in_mode(strip: Image.Image, mode: str) -> Image.Image:
    if mode == "RGBa":
        return with_alpha(strip).convert("RGBa")
    return _eight_bits(strip) if _is_deep(strip) else strip.convert(mode)


def with_alpha(strip: Image.Image) -> Image.Image:
    """Return a picture as RGBA; Pillow's own conversion would clip 16 bits of grey to white."""
    if not _is_deep(strip):
        return strip if strip.mode == "RGBA" else strip.convert("RGBA")
    alphas, clear = [255] * 65536, strip.info.get("transparency")
    if isinstance(clear, int):
        alphas[clear] = 0
    grey = _eight_bits(strip)
    return Image.merge("RGBA", (grey, grey, grey, strip.convert("I").point(alphas, "L")))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return 16-bit grey scaled to 8 bits; Pillow's own conversion would clip it to white."""
    return image.convert("I").point([value >> 8 for value in range(65536)], "L")
