"""Profiles: build ICC profiles for colours that a file declares otherwise, so that ImageCms converts them."""

from functools import lru_cache
from struct import error, pack

from processing.images.colour.primaries import Primaries, to_xyz, transposed

# A curve from a channel's value to linear light, both 0 to 1 (ICC.1:2022, 10.18). One number is an
# exponent. Five are g, a, b, c and d of: (a·x + b)^g from d on, and c·x below it.
Curve = tuple[float, ...]

SRGB_CURVE: Curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
# How a display shows video (ITU-R BT.1886); video standards specify only the camera's curve.
_VIDEO_CURVE: Curve = (2.4,)
_SMPTE240_CURVE: Curve = (1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0913)

# By their numbers in ITU-T H.273, table 3.
CURVES: dict[int, Curve] = {
    1: _VIDEO_CURVE,
    4: (2.2,),
    5: (2.8,),
    6: _VIDEO_CURVE,
    7: _SMPTE240_CURVE,
    8: (1.0,),
    11: _VIDEO_CURVE,
    13: SRGB_CURVE,
    14: _VIDEO_CURVE,
    15: _VIDEO_CURVE,
    # Digital cinema (SMPTE ST 428-1): white is 48 cd/m² of 52.37.
    17: (2.6, (52.37 / 48) ** (1 / 2.6), 0.0, 0.0, 0.0),
}

# The types of curve by their number of values.
_KIND = {1: 0, 5: 3}
_HEADER = 128


@lru_cache(maxsize=32)
def profile_of(primaries: Primaries, curve: Curve) -> bytes | None:
    """Return the ICC profile, version 4, of those colours, or None if they are impossible."""
    try:
        columns = transposed(to_xyz(primaries))
        tags = {b"wtpt": _xyz((0.9642, 1.0, 0.8249))}
        tags |= dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(_xyz, columns), strict=True))
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _parametric(curve))
    except (ZeroDivisionError, OverflowError, error):
        return None
    return _assembled(tags)


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(values)


def _parametric(curve: Curve) -> bytes:
    return b"para\0\0\0\0" + pack(">HH", _KIND[len(curve)], 0) + _fixed(curve)


def _fixed(values: tuple[float, ...]) -> bytes:
    """Return the numbers in ICC's format: 16 bits before the point and 16 after it."""
    return pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _assembled(tags: dict[bytes, bytes]) -> bytes:
    """Return a display's RGB profile with those tags (ICC.1:2022, 7.2 and 7.3)."""
    start = _HEADER + 4 + 12 * len(tags)
    table, contents = pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += pack(">4sII", name, start + len(contents), len(content))
        contents += content
    size = start + len(contents)
    header = pack(">I4xI4s4s4s12x4s", size, 0x04400000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    header = header.ljust(68, b"\0") + _fixed((0.9642, 1.0, 0.8249))
    return header.ljust(_HEADER, b"\0") + table + contents
