"""The one decode, and the first reduction: from the file to a picture that is cheap to work on.

A decoder that scales (JPEG's, by halves) does most of the reduction while it decodes. The rest is a
reduction by a whole factor. A picture that needs another mode, because of transparency or a palette, is
converted and reduced in strips, so it is never held twice in full size.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from processing.images.geometry.resampling import averaged, resampled
from processing.presets import Box, Resampler, Size

# Pixels processed at once: they fit the processor's cache.
_STRIP_PIXELS = 256 * 1024
_DIRECT_MODES = {"L", "RGB", "CMYK", "LAB"}


@dataclass(frozen=True, slots=True)
class View:
    """A picture, and the `box` in it that the whole original fills.

    The box ends between two pixels if a side is not divisible by the reduction factor. The last column and
    row then cover less than the others.
    """

    picture: Image.Image
    box: Box

    @property
    def size(self) -> tuple[float, float]:
        """Return how many pixels wide and high the whole original is here."""
        left, top, right, bottom = self.box
        return right - left, bottom - top

    def factor(self, at_least: Size) -> int:
        """Return the largest whole factor that leaves the original at least as large as `at_least`."""
        return max(1, min(int(have / want) for have, want in zip(self.size, at_least, strict=True)))

    def reduced(self, at_least: Size) -> "View":
        """Return the whole original, reduced by a whole factor, no smaller than `at_least`."""
        factor = self.factor(at_least)
        if factor == 1:
            return self
        left, top, right, bottom = (edge / factor for edge in self.box)
        return View(averaged(self.picture, factor), (left, top, right, bottom))

    def resized(self, size: Size, *, resampler: Resampler) -> "View":
        """Return the whole original in that size."""
        return whole(resampled(self.picture, size, box=self.box, resampler=resampler))


def whole(picture: Image.Image) -> View:
    """Return the view of a picture whose every pixel is whole."""
    return View(picture, (0, 0, *picture.size))


def decoded_view(image: Image.Image, at_least: Size) -> View:
    """Return the first frame, reduced by a whole factor, no smaller than `at_least`.

    Its mode is one of L, RGB, RGBa (alpha premultiplied), CMYK and LAB.
    """
    if getattr(image, "is_animated", False):
        image.seek(0)
    scaled = image.draft(None, at_least)
    image.load()
    full = View(image, scaled[1]) if scaled else whole(image)
    mode = _mode_for(image)
    return full.reduced(at_least) if mode == image.mode else _converted(full, mode, at_least)


def _converted(full: View, mode: str, at_least: Size) -> View:
    """Return the picture in that mode, reduced by a whole factor."""
    factor, image = full.factor(at_least), full.picture
    canvas = Image.new(mode, (-(-image.width // factor), -(-image.height // factor)))
    for top, strip in strips(image, factor):
        small = _in_mode(strip, mode)
        small = averaged(small, factor) if factor > 1 else small
        canvas.paste(small, (0, top // factor))
    return View(canvas, (0, 0, full.size[0] / factor, full.size[1] / factor))


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


def strips(image: Image.Image, factor: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """Yield the picture in strips, each with its top; their height is a multiple of `factor`."""
    height = factor * max(1, _STRIP_PIXELS // (image.width * factor))
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
