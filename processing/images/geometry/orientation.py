"""Orientation: how a picture is stored, and how it is turned upright."""

from contextlib import suppress

from PIL import Image

from processing.presets import Size

_TAG = 0x0112
# The transposition that turns each EXIF orientation upright (CIPA DC-008, Orientation); 1 is upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = {5, 6, 7, 8}


def stored_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; any other value of the tag counts as 1.

    The decoders of HEIC and TIFF turn the picture themselves, and leave a tag that must not be applied again.
    A PNG may store its orientation after its pixels, which must then be loaded first.
    """
    if image.format in {"HEIF", "TIFF"}:
        return 1
    if image.format == "PNG" and "exif" not in image.info:
        image.load()
    value = 1
    # Ignore invalid EXIF data, because the picture can still be decoded.
    with suppress(Exception):
        value = image.getexif().get(_TAG, 1)
    return value if value in _TURNS else 1


def told_orientation(image: Image.Image) -> int:
    """Return the orientation as far as it is known without decoding a pixel."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    return stored_orientation(image)


def swapped(size: Size, orientation: int) -> Size:
    """Return the upright size of a stored size, or the reverse."""
    return (size[1], size[0]) if orientation in _ON_ITS_SIDE else size


def turned(picture: Image.Image, orientation: int) -> Image.Image:
    """Return the picture upright."""
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture
