"""Colour: convert an original's colours to sRGB for its renditions."""

from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageChops, ImageCms

from processing.images.colour.elements import without_many_elements
from processing.images.colour.high_range import HLG, PQ, shown
from processing.images.colour.primaries import PRIMARIES, SRGB, Primaries
from processing.images.colour.profiles import CURVES, SRGB_CURVE, profile_of
from processing.images.reading.containers import CodePoints, code_points

_SRGB = ImageCms.createProfile("sRGB")
# Pillow's mode for each colour space of a profile.
_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}

_UNSPECIFIED = 2
# Transfer functions of video.
_VIDEO = {1, 6, 11, 14, 15}

# How colours are coded: by an ICC profile, or by numbers of ITU-T H.273 (code points).
Coding = bytes | CodePoints


def in_srgb(picture: Image.Image, image: Image.Image, data: bytes) -> Image.Image:
    """Convert the picture from the colours that the original declares to sRGB: RGB or premultiplied RGBa.

    `image` is the original and `data` its file, because Pillow does not read every declaration. A declaration
    that is broken, impossible or of another colour space is ignored.
    """
    for coding in _codings(image, data):
        converted = _converted(picture, coding)
        if converted is not None:
            return converted
    return _plain(picture)


def _codings(image: Image.Image, data: bytes) -> Iterator[Coding]:
    """Yield the colour codings that the file declares, by precedence.

    In a PNG these are cICP, iCCP, sRGB, and gAMA with cHRM (PNG, third edition, 4.3). In AVIF and HEIC a
    profile takes precedence over the code points (AOMediaCodec/av1-avif, issue 84). Without either, the
    colours are sRGB (MIAF, ISO/IEC 23000-22, 7.3.6.4).
    """
    points = code_points(data) if image.format in {"PNG", "AVIF", "HEIF"} else None
    if points and image.format == "PNG":
        yield points
    # Pillow also puts a PNG's texts into `info`, under any name. So types are checked here and below.
    if isinstance(profile := image.info.get("icc_profile"), bytes):
        yield profile
    if points and image.format != "PNG":
        yield _as_displayed(points)
    if image.format == "PNG" and (profile := _profile_of_gamma(image)):
        yield profile


def _converted(picture: Image.Image, coding: Coding) -> Image.Image | None:
    """Return the picture in sRGB, or None if the coding does not fit its pixels; alpha is unchanged."""
    if picture.mode == "RGBa":
        straight = picture.convert("RGBA")
        converted = _converted(straight.convert("RGB"), coding)
        if converted is None:
            return None
        converted.putalpha(straight.getchannel("A"))
        return converted.convert("RGBa")
    if isinstance(coding, CodePoints):
        return _by_code_points(picture, coding)
    return _by_profile(picture, coding)


def _plain(picture: Image.Image) -> Image.Image:
    return picture if picture.mode in {"RGB", "RGBa"} else picture.convert("RGB")


# --- Profiles -----------------------------------------------------------------------------


def _by_profile(picture: Image.Image, profile: bytes) -> Image.Image | None:
    transform = _transform(profile)
    matching = _matching(picture, transform.input_mode) if transform else None
    return ImageCms.applyTransform(matching, transform) if matching and transform else None


@lru_cache(maxsize=8)
def _transform(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """Return the transform to sRGB. It is cached because pictures of one camera share a profile."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(without_many_elements(profile)))
        mode = _MODES[source.profile.xcolor_space.strip()]
        return ImageCms.buildTransform(source, _SRGB, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, KeyError):
        return None


def _matching(picture: Image.Image, mode: str) -> Image.Image | None:
    """Return the picture in the profile's mode, or None if the profile cannot belong to it."""
    if picture.mode == mode:
        return picture
    if (picture.mode, mode) == ("L", "RGB"):
        return picture.convert("RGB")
    # Grey that had transparency, or that is stored in another mode.
    return picture.getchannel("R") if (picture.mode, mode) == ("RGB", "L") and _is_grey(picture) else None


def _is_grey(picture: Image.Image) -> bool:
    red, green, blue = picture.split()
    return not (ImageChops.difference(red, green).getbbox() or ImageChops.difference(red, blue).getbbox())


def _profile_of_gamma(image: Image.Image) -> bytes | None:
    """Return the profile of a PNG's gAMA and cHRM, as Chromium interprets them.

    Return None without gAMA, with sRGB, and for a gAMA without cHRM that is close to sRGB's curve.
    """
    gamma, points = image.info.get("gamma"), image.info.get("chromaticity")
    if isinstance(image.info.get("srgb"), int) or not isinstance(gamma, float) or gamma <= 0:
        return None
    if isinstance(points, tuple):
        white, red, green, blue = points[:2], points[2:4], points[4:6], points[6:]
        return profile_of(Primaries(red, green, blue, white), (1 / gamma,))
    return None if 0.95 < gamma * 2.2 < 1.05 else profile_of(SRGB, (1 / gamma,))


# --- Code points --------------------------------------------------------------------------


def _as_displayed(points: CodePoints) -> CodePoints:
    """Return the code points with sRGB's in place of unspecified ones, and sRGB's curve in place of video's.

    Encoders of AVIF and HEIC declare video's curve by habit. Chromium also treats it as sRGB's.
    """
    primaries = 1 if points.primaries == _UNSPECIFIED else points.primaries
    return CodePoints(primaries, 13 if points.transfer in _VIDEO | {_UNSPECIFIED} else points.transfer)


def _by_code_points(picture: Image.Image, points: CodePoints) -> Image.Image | None:
    primaries, curve = PRIMARIES.get(points.primaries), CURVES.get(points.transfer)
    if primaries is None or picture.mode not in {"L", "RGB"}:
        return None
    flat = _plain(picture)
    if points.transfer in {PQ, HLG}:
        flat, curve = shown(flat, primaries, points.transfer), SRGB_CURVE
    if (primaries, curve) == (SRGB, SRGB_CURVE):
        return flat
    profile = profile_of(primaries, curve) if curve else None
    return _by_profile(flat, profile) if profile else None
