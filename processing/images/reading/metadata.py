"""Metadata: what a file states beside its pixels, if it is worth showing.

Senders control all of it. Values are shortened and cleaned of unprintable characters, and any error of a
parser means that the value is unknown.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from math import isfinite
from numbers import Real
from typing import TypeVar

from PIL import ExifTags, Image, ImageCms

from processing.images.reading.embedded import cleaned, exif_of, xmp_of

_LENGTH = 100
# Degrees: the largest latitude and longitude.
_LATITUDE, _LONGITUDE = 90, 180
# In XMP a coordinate is an attribute or an element: degrees, minutes and perhaps seconds, or degrees with
# decimals, and a direction (XMP specification, part 2, 2.2.3.2, GPSCoordinate).
_IN_XMP = rb"%s\s*(?:=\s*[\"']|>)\s*[-+]?(\d{1,3})(?:[.,]\d{1,20}){0,3}\s?[NSEWnsew]?\s*[\"'<]"
_LATITUDE_IN_XMP = re.compile(_IN_XMP % b"GPSLatitude")
_LONGITUDE_IN_XMP = re.compile(_IN_XMP % b"GPSLongitude")
# The offset of a camera's clock from UTC (CIPA DC-008, OffsetTimeOriginal); some programs write Z for none.
_OFFSET = re.compile(r"[+-](?:0\d|1[0-4]):[0-5]\d|Z")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """A file's metadata; "" is unknown.

    `camera` is the make and model. `profile` is the description of the embedded ICC profile. `gps` is whether
    the file states a position. The position itself is private and not kept. `taken_at` is the camera's own
    clock as ISO 8601, with its offset from UTC if the file states one.
    """

    camera: str
    profile: str
    frames: int
    gps: bool
    taken_at: str | None


def read_metadata(image: Image.Image, *, frames: int) -> Metadata:
    """Return the metadata of the original `image`, without reading or decoding more of it."""
    exif = _known(lambda: exif_of(image), Image.Exif())
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


def _camera(exif: Image.Exif) -> str:
    """Return make and model; most makers repeat the make in the model."""
    make, model = cleaned(exif.get(ExifTags.Base.Make)), cleaned(exif.get(ExifTags.Base.Model))
    first, _, _ = make.partition(" ")
    if model.lower().startswith(first.lower()):
        return model or make
    return f"{make} {model}"[:_LENGTH].strip()


def _profile(image: Image.Image) -> str:
    data = image.info.get("icc_profile")
    # A PNG's text can have the name of one of Pillow's `info` keys.
    if not isinstance(data, bytes):
        return ""
    return cleaned(ImageCms.ImageCmsProfile(BytesIO(data)).profile.profile_description)


def _has_position(exif: Image.Exif) -> bool:
    """Return whether both coordinates are there; many cameras write an empty directory."""
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    return _is_angle(gps.get(ExifTags.GPS.GPSLatitude), _LATITUDE) and _is_angle(
        gps.get(ExifTags.GPS.GPSLongitude), _LONGITUDE
    )


def _is_angle(value: object, most: int) -> bool:
    """Return whether these are degrees, or degrees, minutes and seconds, of at most `most` degrees."""
    parts = value if isinstance(value, tuple) else (value,)
    if not 1 <= len(parts) <= 3 or not all(isinstance(part, Real) for part in parts):
        return False
    degrees = sum(float(part) / 60**power for power, part in enumerate(parts))
    return isfinite(degrees) and abs(degrees) <= most


def _has_position_in_xmp(image: Image.Image) -> bool:
    xmp = xmp_of(image)
    return _states(_LATITUDE_IN_XMP, xmp, _LATITUDE) and _states(_LONGITUDE_IN_XMP, xmp, _LONGITUDE)


def _states(coordinate: re.Pattern[bytes], xmp: bytes, most: int) -> bool:
    return any(int(found[1]) <= most for found in coordinate.finditer(xmp))


def _taken_at(exif: Image.Exif) -> str | None:
    """Return the capture time; the offset is left out if it is unknown or invalid.

    The GPS time would give a wrong offset: it is that of the last fix, and many cameras keep an old fix.
    """
    tags = exif.get_ifd(ExifTags.IFD.Exif)
    told = cleaned(tags.get(ExifTags.Base.DateTimeOriginal))
    offset = cleaned(tags.get(ExifTags.Base.OffsetTimeOriginal))
    # The camera's clock has no zone unless the file states its offset.
    at = datetime.strptime(told, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007
    if _OFFSET.fullmatch(offset):
        at = datetime.strptime(f"{told}{offset}", "%Y:%m:%d %H:%M:%S%z")
    return at.isoformat()
