"""Resampling: the one place in which a picture changes its size.

There are two resamplers. `simd` is cykooz-resizer (the Rust crate fast_image_resize). It uses the vector
instructions of the processor, with the same result on each, and lets other threads run. `pillow` is Pillow's
own, for systems without a wheel of the other. Their pixels differ a little, so each has its own fingerprints.
"""

import mmap

from PIL import Image

from processing.presets import Box, Resampler, Size

try:
    from cykooz_resizer import AlphaMulDiv, CropBox, FilterType, ResizeAlg, ResizeOptions, Resizer
except ImportError:
    INSTALLED: Resampler = "pillow"
else:
    INSTALLED = "simd"
    _LANCZOS = ResizeAlg.convolution(FilterType.lanczos3)

# Pillow first averages a picture down to this many times its target. That is four times as fast for a large
# reduction, and looks the same.
_GAP = 2.0
# Bytes of a picture's pixel, and of what a resampler needs besides its pixels.
_PIXEL, _BESIDE = 4, 16 * 1024**2
# LAB, which only a TIFF has, is left to Pillow.
_SIMD_MODES = {"L", "RGB", "RGBa", "CMYK"}


def resampled(
    picture: Image.Image, size: Size, *, resampler: Resampler, box: Box | None = None
) -> Image.Image:
    """Return the part of a picture in `box`, or the whole of it, in another size, with Lanczos.

    Its mode is L, RGB, RGBa (premultiplied alpha), CMYK or LAB.
    """
    part = box or (0, 0, *picture.size)
    if picture.size == size and part == (0, 0, *size):
        return picture
    if resampler == "pillow" or picture.mode not in _SIMD_MODES:
        return picture.resize(size, Image.Resampling.LANCZOS, box=part, reducing_gap=_GAP)
    return _by_simd(picture, size, part)


def premultiply(picture: Image.Image) -> bool:
    """Multiply the colours of an RGBA picture by its alpha, in its own memory; return whether that was done.

    The result is to the bit what Pillow's conversion to RGBa gives, which needs the memory twice.
    """
    if INSTALLED != "simd" or picture.mode != "RGBA":
        return False
    AlphaMulDiv().multiply_alpha_pil_inplace(picture)
    return True


def miniature(picture: Image.Image, side: int) -> Image.Image:
    """Return the picture averaged to at most `side` pixels a side, the same with every resampler.

    Focal points and placeholders are stored with the original, so they must not depend on the host.
    """
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.BOX)
    return small


def _by_simd(picture: Image.Image, size: Size, box: Box) -> Image.Image:
    left, top, right, bottom = box
    # The sum of a position and a length must not exceed the picture's side by a rounding error.
    crop = CropBox(left, top, min(right, picture.width) - left, min(bottom, picture.height) - top)
    _require(max(size[0] * picture.height, picture.width * size[1]) * _PIXEL + _BESIDE)
    resized = Image.new(picture.mode, size)
    # Each call has its own resizer, because two threads cannot share one.
    Resizer().resize_pil(picture, resized, ResizeOptions(resize_alg=_LANCZOS, crop_box=crop))
    return resized


def _require(size: int) -> None:
    """Raise `MemoryError` unless that many bytes are left: Rust ends the process where it gets no memory.

    The bytes are only mapped, which takes no time.
    """
    try:
        mmap.mmap(-1, size).close()
    except OSError as error:
        raise MemoryError from error
