"""Metadata: what a file tells of itself beside its pixels, as far as it is worth showing.

All of it was written by somebody else: it is cut to a length, cleaned of what is no text, and
whatever a parser throws means that nothing is known.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import TypeVar

from PIL import ExifTags, Image, ImageCms

_LENGTH = 100
# More than that is not even looked at.
_LONGEST = 10_000
_POSITION = {ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude}
# In XMP a position is an attribute or an element; either bears this name.
_POSITION_IN_XMP = b"GPSLatitude"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What was found; "" is unknown.

    `camera` is its make and model, `profile` the description of the embedded ICC profile, `gps`
    whether a position is told (which one is nobody's business), `taken_at` the camera's own clock as
    ISO 8601 without a zone.
    """

    camera: str
    profile: str
    frames: int
    gps: bool
    taken_at: str | None


def read_metadata(image: Image.Image, *, frames: int) -> Metadata:
    """Return what the original `image` tells, of which no more is read or decoded than has been."""
    exif = _known(lambda: _exif(image), Image.Exif())
    return Metadata(
        camera=_known(lambda: _camera(exif), ""),
        profile=_known(lambda: _profile(image), ""),
        frames=frames,
        gps=_known(lambda: _has_position(exif), False) or _known(lambda: _has_position_in_xmp(image), False),
        taken_at=_known(lambda: _taken_at(exif), None),
    )


def _known(read: Callable[[], T], unknown: T) -> T:
    """Return what is read, or that it is unknown, whatever is thrown."""
    with suppress(Exception):
        return read()
    return unknown


def _exif(image: Image.Image) -> Image.Exif:
    # A PNG whose EXIF data have not passed yet would be decoded for them.
    if image.format == "PNG" and "exif" not in image.info:
        return Image.Exif()
    return image.getexif()


def _camera(exif: Image.Exif) -> str:
    """Return make and model; most makers repeat the one in the other."""
    make, model = _cleaned(exif.get(ExifTags.Base.Make)), _cleaned(exif.get(ExifTags.Base.Model))
    first, _, _ = make.partition(" ")
    if model.lower().startswith(first.lower()):
        return model or make
    return f"{make} {model}"[:_LENGTH].strip()


def _profile(image: Image.Image) -> str:
    data = image.info.get("icc_profile")
    # A PNG's text can bear the name of what Pillow keeps.
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
    # The camera's clock, of which nobody knows the zone.
    return datetime.strptime(told, "%Y:%m:%d %H:%M:%S").isoformat()  # noqa: DTZ007


def _cleaned(value: object) -> str:
    """Return a text's first characters on one line, without what cannot be printed; "" for no text."""
    if not isinstance(value, str):
        return ""
    words = " ".join(value[:_LONGEST].split())
    return "".join(character for character in words if character.isprintable())[:_LENGTH].strip()
