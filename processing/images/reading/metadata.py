"""Metadata: what a file states beside its pixels, if it is worth showing.

Senders control all of it. Values are shortened and cleaned of unprintable characters, and any error of a
parser means that the value is unknown.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import TypeVar

from PIL import ExifTags, Image, ImageCms

_LENGTH = 100
# Longer values are cut to this length before they are cleaned.
_LONGEST = 10_000
_POSITION = {ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude}
# In XMP a position is an attribute or an element; both have this name.
_POSITION_IN_XMP = b"GPSLatitude"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """A file's metadata; "" is unknown.

    `camera` is the make and model. `profile` is the description of the embedded ICC profile. `gps` is whether
    the file states a position. The position itself is private and not kept. `taken_at` is the camera's own
    clock as ISO 8601 without a zone.
    """

    camera: str
    profile: str
    frames: int
    gps: bool
    taken_at: str | None


def read_metadata(image: Image.Image, *, frames: int) -> Metadata:
    """Return the metadata of the original `image`, without reading or decoding more of it."""
    exif = _known(lambda: _exif(image), Image.Exif())
    return Metadata(
        camera=_known(lambda: _camera(exif), ""),
        profile=_known(lambda: _profile(image), ""),
        frames=frames,
        gps=_known(lambda: _has_position(exif), False) or _known(lambda: _has_position_in_xmp(image), False),
        taken_at=_known(lambda: _taken_at(exif), None),
    )


def _known(read: Callable[[], T], unknown: T) -> T:
    """Return the result of `read`, or `unknown` after any error."""
    with suppress(Exception):
        return read()
    return unknown


def _exif(image: Image.Image) -> Image.Exif:
    # Reading EXIF that follows a PNG's pixels would decode them.
    if image.format == "PNG" and "exif" not in image.info:
        return Image.Exif()
    return image.getexif()


def _camera(exif: Image.Exif) -> str:
    """Return make and model; most makers repeat the make in the model."""
    make, model = _cleaned(exif.get(ExifTags.Base.Make)), _cleaned(exif.get(ExifTags.Base.Model))
    first, _, _ = make.partition(" ")
    if model.lower().startswith(first.lower()):
        return model or make
    return f"{make} {model}"[:_LENGTH].strip()


def _profile(image: Image.Image) -> str:
    data = image.info.get("icc_profile")
    # A PNG's text can have the name of one of Pillow's `info` keys.
    if not isinstance(data, bytes):
        return ""
    return _cleaned(ImageCms.ImageCmsProfile(BytesIO(data)).profile.profile_description)


def _has_position(exif: Image.Exif) -> bool:
    return bool(_POSITION & exif.get_ifd(ExifTags.IFD.GPSInfo).keys())


def _has_position_in_xmp(image: Image.Image) -> bool:
    xmp = image.info.get("xmp")
    return isinstance(xmp, bytes) and _POSITION_IN_XMP in xmp


def _taken_at(exif: Image.Exif) -> str | None:
    told = _cleaned(exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal))
    # The zone of the camera's clock is unknown.
    return datetime.strptime(told, "%Y:%m:%d %H:%M:%S").isoformat()  # noqa: DTZ007


def _cleaned(value: object) -> str:
    """Return a text's first characters on one line, without unprintable ones; "" if it is no text."""
    if not isinstance(value, str):
        return ""
    words = " ".join(value[:_LONGEST].split())
    return "".join(character for character in words if character.isprintable())[:_LENGTH].strip()
