"""Warming: load everything that decoding needs, and use it once.

Python, Pillow and their libraries load much on first use. By then the renderer can open no file
(`processing.renderer`).
"""

# `datetime.strptime` loads the first, and the texts of metadata the others.
import _strptime  # type: ignore[import-not-found]  # noqa: F401
import encodings.ascii
import encodings.latin_1
import encodings.utf_16
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from PIL import ExifTags, Image, ImageCms

from processing.images.packing import packed, unpacked
from processing.images.reading.formats import can_encode
from processing.images.reading.header import read_header
from processing.images.reading.limits import Limits
from processing.images.source import decode
from processing.presets import FORMATS, Preset, Recipe

__all__ = ["encodings", "warm"]

_LIMITS = Limits(pixels=1_000_000, animation_pixels=1_000_000)
_SMALL = Preset(name="small", width=8, height=8, mode="fill", keep_credit=True)
_LARGER = Preset(name="larger", width=12)


def warm() -> None:
    """Decode and render tiny pictures of the usual formats."""
    Image.init()
    for data in _samples():
        read_header(BytesIO(data), name="sample", limits=_LIMITS)
        source = decode(data, presets=[_SMALL], limits=_LIMITS, later=[_LARGER])
        source.focus()
        source.placeholder()
        for format in FORMATS:
            if can_encode(format):
                source.render(Recipe(_SMALL, format))
        if source.decoded:
            handed = unpacked(b"".join(packed(source.decoded)))
            decode(data, presets=[_LARGER], limits=_LIMITS, handed=handed)


def _samples() -> list[bytes]:
    grey = Image.linear_gradient("L").crop((120, 120, 136, 136))
    opaque, clear = grey.convert("RGB"), grey.convert("RGBA")
    clear.putalpha(grey)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tags: dict[str, Any] = {"exif": _exif(), "icc_profile": profile}
    frames: dict[str, Any] = {"save_all": True, "append_images": [clear.rotate(90)], "duration": 100}
    samples = [
        _saved(opaque, "JPEG", **tags),
        _saved(opaque.convert("CMYK"), "JPEG"),
        _saved(clear, "PNG", **tags),
        _saved(clear, "PNG", **frames),
        _saved(opaque.quantize(8), "GIF", **{**frames, "append_images": [opaque.rotate(90)]}),
    ]
    if can_encode("webp"):
        samples += [_saved(clear, "WEBP", **tags), _saved(clear, "WEBP", **frames)]
    if can_encode("avif"):
        samples.append(_saved(clear, "AVIF", speed=10, **tags))
    return samples


def _exif() -> Image.Exif:
    """Return metadata of each kind that is read."""
    taken_at = datetime(2000, 1, 1, tzinfo=UTC).strftime("%Y:%m:%d %H:%M:%S")
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = exif[ExifTags.Base.Artist] = "Darkroom"
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {ExifTags.Base.DateTimeOriginal: taken_at, ExifTags.Base.OffsetTimeOriginal: "+00:00"}
    )
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {ExifTags.GPS.GPSLatitude: (1.0, 2.0, 3.0), ExifTags.GPS.GPSLongitude: (1.0, 2.0, 3.0)}
    )
    return exif


def _saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()
