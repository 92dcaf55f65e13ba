"""Profiles of many elements, which LittleCMS would apply for minutes."""

import struct
from io import BytesIO

import pytest
from PIL import Image, ImageCms

from processing.images.colour import elements
from processing.images.colour.elements import without_many_elements
from processing.images.source import decode
from processing.presets import Recipe
from tests.processing.pictures import LIMITS, SMALL, opened

XYZ = {b"wtpt": (0.9642, 1, 0.8249), b"rXYZ": (0.4361, 0.2225, 0.0139), b"gXYZ": (0.3851, 0.7169, 0.0971)}
XYZ |= {b"bXYZ": (0.1431, 0.0606, 0.7139)}
MATRIX = b"matf\0\0\0\0" + struct.pack(">HH12f", 3, 3, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0)


def profile(**more: bytes) -> bytes:
    """Return a profile of sRGB's primaries and a gamma of 2.2, with more tags."""
    tags = {name: b"XYZ \0\0\0\0" + fixed(*values) for name, values in XYZ.items()}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"para" + bytes(8) + fixed(2.2))
    tags |= {name.encode(): content for name, content in more.items()}
    table, contents = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(contents), len(content))
        contents += content
    size = 128 + len(table) + len(contents)
    header = struct.pack(">I4xI4s4s4s12x4s", size, 0x04400000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    header = header.ljust(68, b"\0") + fixed(0.9642, 1, 0.8249)
    return header.ljust(128, b"\0") + table + contents


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def listed(element: bytes, times: int) -> bytes:
    """Return a tag that lists the same element many times."""
    start = 16 + 8 * times
    return b"mpet\0\0\0\0" + struct.pack(">HHI", 3, 3, times) + struct.pack(">II", start, 0) * times + element


def curves(segments: int) -> bytes:
    """Return an element of three times the same curve."""
    curve = b"curf\0\0\0\0" + struct.pack(f">HH{segments - 1}f", segments, 0, *range(segments - 1))
    curve += (b"parf\0\0\0\0" + struct.pack(">HH4f", 0, 0, 1, 1, 0, 0)) * segments
    return b"cvst\0\0\0\0" + struct.pack(">HH", 3, 3) + struct.pack(">II", 36, 0) * 3 + curve


def empty_curves(count: int) -> bytes:
    """Return an element of curves that have no segment."""
    places = struct.pack(">II", 12 + 8 * count, 0) * count
    return b"cvst\0\0\0\0" + struct.pack(">HH", count, count) + places + b"curf\0\0\0\0" + bytes(4)


MANY = {
    "elements": listed(MATRIX, 2000),
    "segments": listed(curves(500), 1),
    "segments of many elements": listed(curves(10), 50),
    "curves without segments": listed(b"cvst\0\0\0\0" + struct.pack(">HH", 65535, 3) + bytes(8 * 65535), 1),
    "curves of many elements": listed(empty_curves(300), 4),
    "broken": listed(MATRIX, 2)[:20],
}


@pytest.mark.parametrize("kind", MANY)
def test_tag_of_many_elements_is_hidden(kind: str) -> None:
    plain, hostile = profile(D2B1=MANY[kind]), profile(D2B0=MANY[kind])
    assert without_many_elements(hostile) == hostile.replace(b"D2B0", bytes(4))
    # The other tags apply.
    assert pixel(hostile) == pixel(profile()) != pixel(profile(D2B0=listed(MATRIX, 1)))
    assert len(plain) == len(without_many_elements(plain))


def pixel(profile: bytes) -> object:
    """Return a colour of a picture with that profile."""
    output = BytesIO()
    Image.new("RGB", (40, 40), (200, 100, 50)).save(output, "PNG", icc_profile=profile)
    source = decode(output.getvalue(), presets=[SMALL], limits=LIMITS)
    return opened(source.render(Recipe(SMALL, "png")).data).convert("RGB").getpixel((9, 9))


def test_usual_profiles_stay_as_they_are() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for usual in (srgb, profile(), profile(D2B0=listed(MATRIX, 3)), profile(D2B0=listed(curves(3), 2))):
        assert without_many_elements(usual) == usual
    for broken in (b"", srgb[:100], srgb[:140]):
        assert without_many_elements(broken) == broken


def test_number_of_elements_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "_MOST", 7)
    for tag, is_hidden in (
        (listed(MATRIX, 7), False),
        (listed(MATRIX, 8), True),
        (listed(curves(2), 1), False),
    ):
        assert (b"D2B0" not in without_many_elements(profile(D2B0=tag))) is is_hidden
