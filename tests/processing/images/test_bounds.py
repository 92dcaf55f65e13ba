"""The limits on metadata in a file, and the cost of checking them."""

import struct
import zlib
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pytest_django import Settings

from processing import conf
from processing.images.reading import bounds
from processing.images.reading.header import Header, read_header
from processing.images.reading.limits import Limits
from processing.images.reading.refusals import (
    TooManyPixels,
    TooMuchMetadata,
    UnreadableImage,
    UnsupportedFormat,
)
from processing.images.source import decode
from processing.presets import FORMATS, Format, Preset, Recipe
from tests.processing.animations import control, frame
from tests.processing.animations import gif as animated
from tests.processing.limited import ends
from tests.processing.parts import (
    box,
    chunk,
    gif,
    items,
    jpeg,
    media,
    part,
    png,
    saved,
    segment,
    webp,
    with_meta,
)
from tests.processing.pictures import LIMITS, opened

FORMATS_TAKEN = ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF"]
LARGE = 30 << 20
MANY = 2 << 20


def header_of(data: bytes, **limits: Any) -> Header:
    return read_header(
        BytesIO(data), name="sea", limits=Limits(pixels=10**8, animation_pixels=10**8, **limits)
    )


@cache
def inflating(size: int) -> bytes:
    deflater = zlib.compressobj(9)
    pieces = [deflater.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*pieces, deflater.flush()])


TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "JPEG comment": lambda text: jpeg(segment(0xFE, text)),
    "JPEG APP5": lambda text: jpeg(segment(0xE5, text)),
    "PNG tEXt": lambda text: png(chunk(b"tEXt", b"a\0" + text)),
    "PNG zTXt": lambda text: png(chunk(b"zTXt", b"a\0\0" + zlib.compress(text))),
    "PNG iTXt": lambda text: png(chunk(b"iTXt", b"a\0\0\0\0\0" + text)),
    "PNG iTXt, compressed": lambda text: png(chunk(b"iTXt", b"a\0\1\0de\0b\0" + zlib.compress(text))),
    "PNG eXIf": lambda text: png(chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0" + text)),
    "PNG unknown": lambda text: png(chunk(b"abCd", text)),
    "GIF comment": lambda text: gif(b"\x21\xfe" + (b"\xff" + bytes(255)) * (len(text) // 255) + b"\0"),
    "WebP EXIF": lambda text: webp(part(b"EXIF", text)),
    "WebP XMP": lambda text: webp(part(b"XMP ", text)),
    "AVIF EXIF": lambda text: saved("AVIF", exif=b"II*\0\x08\0\0\0\0\0" + text),
    "HEIC XMP": lambda text: saved("HEIF", xmp=text),
}
PROFILES: dict[str, Callable[[bytes], bytes]] = {
    "JPEG": lambda profile: jpeg(segment(0xE2, b"ICC_PROFILE\0\1\1" + profile)),
    "PNG": lambda profile: png(chunk(b"iCCP", b"a\0\0" + zlib.compress(profile))),
    "WebP": lambda profile: webp(part(b"ICCP", profile)),
    "AVIF": lambda profile: saved("AVIF", icc_profile=profile),
    "HEIC": lambda profile: saved("HEIF", icc_profile=profile),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_text_beyond_the_limit_is_refused(kind: str) -> None:
    data = TEXTS[kind](b"x" * 5100)
    header_of(data, text_bytes=30_000)
    with pytest.raises(TooMuchMetadata, match=r"^sea contains more than 5 kB of metadata"):
        header_of(data, text_bytes=5000)


@pytest.mark.parametrize("kind", PROFILES)
def test_profile_beyond_the_limit_is_refused(kind: str) -> None:
    data = PROFILES[kind](b"x" * 5100)
    header_of(data, profile_bytes=6000, text_bytes=6000)
    with pytest.raises(TooMuchMetadata, match=r"^sea has a colour profile larger than 5 kB\."):
        header_of(data, profile_bytes=5000, text_bytes=6000)


BEHIND: dict[str, Callable[[bytes], bytes]] = {
    "zTXt": lambda text: chunk(b"zTXt", b"a\0\0" + zlib.compress(text)),
    "eXIf": lambda text: chunk(b"eXIf", text),
    "iCCP": lambda text: chunk(b"iCCP", b"a\0\0" + zlib.compress(text)),
}


@pytest.mark.parametrize("kind", BEHIND)
def test_data_behind_the_pixels_of_a_png_count(kind: str) -> None:
    """Pillow reads them after the pixels, each of them up to its own limit."""
    data = png()[:-12] + BEHIND[kind](b"x" * 1000) * 6 + png()[-12:]
    header_of(data, text_bytes=30_000, profile_bytes=7000)
    with pytest.raises(TooMuchMetadata):
        header_of(data, text_bytes=5000, profile_bytes=5000)


def test_pieces_of_pixels_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "_MOST_PIECES", 100)
    pixels = control() + frame(1)[:-1] + b"\1x" * 90 + b"\0"
    files = {
        1: (animated(pixels), png()[:-12] + chunk(b"IDAT", b"") * 90 + png()[-12:]),
        2: (animated(pixels, pixels), png()[:-12] + chunk(b"IDAT", b"") * 180 + png()[-12:]),
    }
    for data in files[1]:
        header_of(data)
    for data in files[2]:
        with pytest.raises(TooMuchMetadata, match=r"^sea consists of too many parts\."):
            header_of(data)


def test_large_profile_within_the_limit_is_accepted() -> None:
    data = PROFILES["PNG"](bytes(3 << 20))
    assert decode(data, presets=[Preset(name="p", width=9)], limits=LIMITS).size == (64, 64)


def test_refusal_for_metadata_has_its_code() -> None:
    assert (TooMuchMetadata.code, TooMuchMetadata.status) == ("too_much_metadata", 422)


@pytest.mark.parametrize("format", FORMATS_TAKEN)
def test_side_beyond_the_limit_is_refused(format: str) -> None:
    assert header_of(saved(format), side=64).width == 64
    with pytest.raises(TooManyPixels, match=r"^sea has 64 × 64 pixels; the limit is 63 on each side"):
        header_of(saved(format), side=63)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [(65_535, 2), (3, 40_000)])
def test_longest_accepted_picture_is_rendered(size: tuple[int, int], format: Format) -> None:
    output = BytesIO()
    Image.new("RGB", size, "red").save(output, "PNG")
    preset = Preset(name="p", width=1920) if size[0] < size[1] else Preset(name="p", height=1920)
    encoded = decode(output.getvalue(), presets=[preset], limits=LIMITS).render(Recipe(preset, format))
    assert max(opened(encoded.data).size) == 16_383


# Files of up to MAX_UPLOAD_BYTES that need as much time or memory of a decoder as possible.
HOSTILE: dict[str, Callable[[], bytes]] = {
    "iccp.png": lambda: png(chunk(b"iCCP", b"a\0\0" + inflating(1 << 30))),
    "ztxt.png": lambda: png(chunk(b"zTXt", b"a\0\0" + inflating(1 << 30))),
    "itxt.png": lambda: png(chunk(b"iTXt", b"a\0\1\0\0\0" + inflating(1 << 30))),
    "long.png": lambda: png(chunk(b"tEXt", b"a\0" + bytes(LARGE))),
    "tiny.png": lambda: png(chunk(b"abCd", b"") * MANY),
    "wide.png": lambda: png().replace(struct.pack(">II", 64, 64), struct.pack(">II", 2**31 - 1, 2**31 - 1)),
    "apps.jpg": lambda: jpeg(segment(0xE5, bytes(65_533)) * (LARGE >> 16)),
    "tiny.jpg": lambda: jpeg(segment(0xFE, b"") * MANY),
    "fill.jpg": lambda: jpeg(b"\xff" * LARGE),
    "junk.jpg": lambda: jpeg(segment(0xFE, b"") + bytes(LARGE)),
    "8bim.jpg": lambda: jpeg(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\0\1\0\0\0\0\0\0" * 5000) * 250),
    "wide.gif": lambda: b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + gif(b"")[13:],
    "comment.gif": lambda: gif(b"\x21\xfe" + b"\1x" * MANY + b"\0"),
    "junk.gif": lambda: gif(bytes(LARGE)),
    "wide.webp": lambda: webp(size=(65_535, 65_535)),
    "canvas.webp": lambda: webp(size=(16_383, 16_383)),
    "tiny.webp": lambda: webp(part(b"abcd", b"") * MANY),
    "frames.webp": lambda: webp(part(b"ANMF", bytes(16)) * (MANY >> 1)),
    "wide.avif": lambda: saved("AVIF").replace(struct.pack(">II", 64, 64), b"\x7f\xff\xff\xff" * 2),
    "meta.avif": lambda: with_meta(saved("AVIF"), box(b"free") * MANY),
    "tiny.avif": lambda: saved("AVIF") + box(b"free") * MANY,
    "items.avif": lambda: media(b"avifmif1", items(*[b"grid"] * 60_000)),
    "properties.avif": lambda: with_meta(saved("AVIF"), box(b"iprp", box(b"ipma", bytes(16)) * (MANY >> 3))),
    "wide.heic": lambda: saved("HEIF").replace(struct.pack(">II", 64, 64), b"\x7f\xff\xff\xff" * 2),
    "meta.heic": lambda: with_meta(saved("HEIF"), box(b"free", bytes(LARGE))),
    "tiny.heic": lambda: saved("HEIF") + box(b"free") * MANY,
}
REFUSED = {"too_many_pixels", "too_much_metadata", "unreadable_image"}


@pytest.mark.slow
def test_hostile_headers_use_little_memory(tmp_path: Path) -> None:
    for name, make in HOSTILE.items():
        (tmp_path / name).write_bytes(make())
    files = [tmp_path / name for name in HOSTILE]
    ended = {path.name: end for path, end in ends(files, header_only=True).items()}
    assert {name: end for name, end in ended.items() if end.how not in REFUSED | {"read"}} == {}
    assert {name: end for name, end in ended.items() if end.memory > 40} == {}
    # A file just within the limits is cheap, too.
    assert {name for name, end in ended.items() if end.how == "read"} == {"8bim.jpg"}


LISTS = {
    "items": box(b"iinf", struct.pack(">II", 1 << 24, 10_001)),
    "locations": box(b"iloc", struct.pack(">IHI", 2 << 24, 0, 10_001)),
    "references": box(b"iref", bytes(4) + box(b"dimg", bytes(60_000))),
    "properties": box(b"iprp", box(b"ipma", struct.pack(">II", 0, 5001)) * 2),
}


@pytest.mark.parametrize("parts", LISTS.values(), ids=LISTS)
def test_number_of_items_is_limited(parts: bytes) -> None:
    """Decoders compare each item of an AVIF or HEIC with the others."""
    with pytest.raises(TooMuchMetadata, match=r"^sea consists of too many parts\."):
        header_of(media(b"avifmif1", box(b"meta", bytes(4) + parts)))


@pytest.mark.parametrize("format", FORMATS_TAKEN)
def test_file_truncated_anywhere_is_refused_or_read(format: str) -> None:
    data = saved(format)
    for length in range(len(data)):
        try:
            header_of(data[:length])
        except (UnreadableImage, UnsupportedFormat):
            continue


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_frames_beyond_the_limit_are_omitted(format: str) -> None:
    output, colors = BytesIO(), ["red", "green", "blue", "white", "black"]
    first, *others = (Image.new("RGB", (64, 64), color) for color in colors)
    first.save(output, format, save_all=True, append_images=others, duration=100)
    preset = Preset(name="p", width=32)
    limits = Limits(pixels=10**8, animation_pixels=10**8, frames=3)
    encoded = decode(output.getvalue(), presets=[preset], limits=limits).render(Recipe(preset, "webp"))
    assert (encoded.frames, encoded.frames_left_out) == (3, 2)


def test_limits_come_from_the_settings(settings: Settings) -> None:
    changed = {"MAX_PIXELS": 1, "MAX_SIDE": 2, "MAX_ANIMATION_PIXELS": 3, "MAX_FRAMES": 4}
    settings.DARKROOM = {**settings.DARKROOM, **changed, "MAX_PROFILE_BYTES": 5, "MAX_TEXT_BYTES": 6}
    assert conf.limits() == Limits(
        pixels=1, side=2, animation_pixels=3, frames=4, profile_bytes=5, text_bytes=6
    )


@pytest.mark.parametrize("make", [png, webp], ids=["PNG", "WebP"])
def test_chunk_longer_than_the_file_is_damaged(make: Callable[[bytes], bytes]) -> None:
    data = make(chunk(b"tEXt", b"a\0b") if make is png else part(b"XMP ", b"a"))
    at = data.index(b"tEXt") - 4 if make is png else data.index(b"XMP ") + 4
    with pytest.raises(UnreadableImage):
        header_of(data[:at] + b"\x7f\xff\xff\x7f" + data[at + 4 :])
