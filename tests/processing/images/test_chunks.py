"""Damaged chunks of a PNG, which its picture does not need."""

import struct
import zlib
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from processing.images.reading import chunks as chunks_module
from processing.images.reading.chunks import without_damage
from processing.images.reading.header import read_header
from processing.images.reading.refusals import UnreadableImage
from processing.images.source import decode
from processing.presets import Recipe
from tests.processing.animations import Part, apng
from tests.processing.parts import chunk
from tests.processing.pictures import LIMITS, SMALL, corpus_files, render, rendered

ANCILLARY = [
    b"iCCP", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"pHYs", b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"bKGD",
    b"tIME", b"sPLT", b"hIST", b"sBIT", b"tRNS", b"abCd",
]  # fmt: skip
FILES = [
    "p_badcrc_pHYs.png",
    "p_iccp_badmethod.png",
    "p_ztxt_badmethod_after.png",
    "p_short_gama.png",
    "unknown_compression_method.png",
]


def wrong_sum(name: bytes, content: bytes = b"some content") -> bytes:
    data = chunk(name, content)
    return data[:-1] + bytes([data[-1] ^ 1])


def picture(mode: str = "RGB") -> Image.Image:
    image = Image.new(mode, (60, 40), 90 if mode in {"L", "P"} else (10, 90, 200, 255)[: len(mode)])
    image.paste(200 if mode in {"L", "P"} else (200, 30, 30, 255)[: len(mode)], (0, 0, 20, 40))
    return image


def png(*, before: bytes = b"", after: bytes = b"", mode: str = "RGB") -> bytes:
    """Return a PNG with chunks before or after its pixels."""
    output = BytesIO()
    picture(mode).save(output, "PNG")
    data, end = output.getvalue(), len(output.getvalue()) - 12
    return data[:33] + before + data[33:end] + after + data[end:]


def assert_unharmed(data: bytes, mode: str = "RGB") -> None:
    """Assert that the file is shown as if it had no such chunk, by both readers."""
    assert read_header(BytesIO(data), name="sea", limits=LIMITS).width == 60
    assert not ImageChops.difference(rendered(data), unharmed(mode)).getbbox()


@cache
def unharmed(mode: str) -> Image.Image:
    return rendered(png(mode=mode))


@pytest.mark.parametrize("name", ANCILLARY, ids=bytes.decode)
def test_chunk_with_a_wrong_sum_is_left_aside(name: bytes) -> None:
    assert_unharmed(png(before=wrong_sum(name), after=wrong_sum(name)))


@pytest.mark.parametrize("length", [0, 3, 33])
@pytest.mark.parametrize("name", ANCILLARY, ids=bytes.decode)
def test_chunk_of_a_wrong_length_is_left_aside(name: bytes, length: int) -> None:
    wrong = chunk(name, b"\7" * length)
    assert_unharmed(png(before=wrong, after=wrong))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (b"iCCP", b"sea\0\1" + zlib.compress(b"profile")),
        (b"iCCP", b"sea"),
        (b"iCCP", b"\0\0" + zlib.compress(b"profile")),
        (b"iCCP", b"sea\0\0no stream"),
        (b"zTXt", b"sea\0\1" + zlib.compress(b"text")),
        (b"zTXt", b"sea\0\0no stream"),
        (b"iTXt", b"sea\0\1\1\0\0" + zlib.compress(b"text")),
        (b"iTXt", b"sea\0\1\0\0\0no stream"),
        (b"eXIf", b"no EXIF"),
    ],
)
def test_content_that_cannot_be_read_is_left_aside(name: bytes, content: bytes) -> None:
    assert_unharmed(png(before=chunk(name, content), after=chunk(name, content)))


def test_chunk_that_the_end_of_the_file_cuts_is_left_aside() -> None:
    data = png(after=chunk(b"tEXt", b"sea\0" + bytes(100)))
    for left in (4, 11, 12, 60, 115):
        assert_unharmed(data[: data.index(b"tEXt") - 4 + left])


def test_sound_chunks_around_a_damaged_one_are_read() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    sound = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    for data in (png(before=wrong_sum(b"pHYs") + sound), png(before=wrong_sum(b"pHYs"), after=sound)):
        assert decode(data, presets=[SMALL], limits=LIMITS).size == (40, 60)


def test_damaged_colours_are_not_used() -> None:
    """A cICP chunk is read by Darkroom itself, the others by Pillow."""
    pq = struct.pack("4B", 9, 16, 0, 1)
    assert not_equal(png(before=chunk(b"cICP", pq)), png())
    assert_unharmed(png(before=wrong_sum(b"cICP", pq)))
    assert_unharmed(png(before=wrong_sum(b"gAMA", struct.pack(">I", 100_000))))
    assert not_equal(png(before=chunk(b"gAMA", struct.pack(">I", 100_000))), png())


def not_equal(one: bytes, other: bytes) -> bool:
    return ImageChops.difference(rendered(one), rendered(other)).getbbox() is not None


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_suggested_palette_may_be_damaged(mode: str) -> None:
    assert_unharmed(png(before=wrong_sum(b"PLTE", bytes(6)), mode=mode), mode)
    assert_unharmed(png(before=chunk(b"PLTE", bytes(5)), mode=mode), mode)


def test_critical_chunks_are_checked() -> None:
    palette = png(mode="P")
    at = palette.index(b"PLTE") + 4
    header = png()
    for data in (
        palette[:at] + bytes([palette[at] ^ 1]) + palette[at + 1 :],
        header[:29] + bytes(4) + header[33:],
        png(before=wrong_sum(b"ABCD")),
    ):
        with pytest.raises(UnreadableImage):
            rendered(data)


@pytest.mark.parametrize("name", FILES)
def test_real_file_with_a_damaged_chunk_is_rendered(name: str, corpus: Path) -> None:
    data = (corpus / "edges" / name).read_bytes()
    assert read_header(BytesIO(data), name=name, limits=LIMITS).format == "png"
    assert rendered(data).width > 50


# --- Animations ---------------------------------------------------------------------------

ANIMATED = apng([Part(Image.new("RGB", (40, 40), color)) for color in ("red", "blue", "lime")])
WITH_DEFAULT = apng(
    [Part(Image.new("RGB", (40, 40), color)) for color in ("blue", "lime")],
    default=Image.new("RGB", (40, 40), "red"),
)


def harmed(data: bytes, name: bytes, number: int, change: Callable[[bytes], bytes]) -> bytes:
    """Return the PNG with a change of a chunk's content, under a right sum."""
    at = -1
    for _ in range(number + 1):
        at = data.index(name, at + 1)
    length = int.from_bytes(data[at - 4 : at])
    return data[: at - 4] + chunk(name, change(data[at + 4 : at + 4 + length])) + data[at + 8 + length :]


def broken_sum(data: bytes, name: bytes, number: int) -> bytes:
    made = harmed(data, name, number, lambda content: content)
    at = -1
    for _ in range(number + 1):
        at = made.index(name, at + 1)
    end = at + 4 + int.from_bytes(made[at - 4 : at])
    return made[:end] + bytes([made[end] ^ 1]) + made[end + 1 :]


def shorter(content: bytes) -> bytes:
    return content[:-1]


HARM: dict[str, Callable[[bytes], bytes]] = {
    "acTL sum": lambda data: broken_sum(data, b"acTL", 0),
    "acTL length": lambda data: harmed(data, b"acTL", 0, shorter),
    "acTL of no frames": lambda data: harmed(data, b"acTL", 0, lambda content: bytes(8)),
    "acTL of many frames": lambda data: harmed(data, b"acTL", 0, lambda content: b"\xff" * 8),
    "acTL twice": lambda data: harmed(data, b"acTL", 0, lambda content: content).replace(
        chunk(b"acTL", data[41:49]), chunk(b"acTL", data[41:49]) * 2
    ),
    "fcTL sum": lambda data: broken_sum(data, b"fcTL", 0),
    "second fcTL sum": lambda data: broken_sum(data, b"fcTL", 1),
    "fcTL length": lambda data: harmed(data, b"fcTL", 1, shorter),
    "first fcTL length": lambda data: harmed(data, b"fcTL", 0, shorter),
    "fcTL number": lambda data: harmed(data, b"fcTL", 0, lambda content: b"\1" + content[1:]),
    "fcTL without pixels": lambda data: harmed(
        data, b"fcTL", 1, lambda content: content[:4] + bytes(4) + content[8:]
    ),
    "fdAT sum": lambda data: broken_sum(data, b"fdAT", 0),
    "fdAT length": lambda data: harmed(data, b"fdAT", 1, lambda content: content[:2]),
}


@pytest.mark.parametrize("sound", [ANIMATED, WITH_DEFAULT], ids=["animated", "default"])
@pytest.mark.parametrize("harm", HARM)
def test_broken_animation_becomes_its_still_picture(harm: str, sound: bytes) -> None:
    data = HARM[harm](sound)
    assert data != sound
    assert read_header(BytesIO(data), name="sea", limits=LIMITS).width == 40
    source = decode(data, presets=[SMALL], limits=LIMITS)
    output = source.render(Recipe(SMALL, "webp"))
    assert (output.frames, output.frames_left_out, source.metadata.frames) == (1, 0, 1)
    assert rendered(data).convert("RGB").getpixel((20, 20)) == (255, 0, 0)


@pytest.mark.parametrize("sound", [ANIMATED, WITH_DEFAULT], ids=["animated", "default"])
def test_sound_animation_stays_animated(sound: bytes) -> None:
    assert render(sound, format="webp").frames == sound.count(b"fcTL")


def test_first_frame_beyond_the_canvas_makes_it_still() -> None:
    wide = harmed(ANIMATED, b"fcTL", 0, lambda content: content[:4] + b"\0\0\0\xff" + content[8:])
    assert render(wide, format="webp").frames == 1


def test_more_frames_than_the_declared_one_make_it_still() -> None:
    parts = [Part(Image.new("RGB", (40, 40), color)) for color in ("red", "blue")]
    assert render(apng(parts, declared=1), format="webp").frames == 1


# --- Cost ---------------------------------------------------------------------------------


def test_sound_file_is_not_copied(corpus: Path) -> None:
    for path in corpus_files(corpus, folder="pngsuite", expect="accept"):
        file = BytesIO(path.read_bytes())
        assert without_damage(file, pixels=True) is file, path.name
        assert file.tell() == 0
    other = BytesIO(b"GIF89a")
    assert without_damage(other, pixels=True) is other


def test_pixels_are_not_read_for_a_header() -> None:
    data = png(before=wrong_sum(b"pHYs"))
    read = without_damage(BytesIO(data), pixels=False).read()
    assert read.endswith(b"IDAT")
    assert len(read) == 8 + 25 + 8


def test_chunks_beyond_a_number_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks_module, "_MOST_CHUNKS", 3)
    data = png(after=chunk(b"abCd", b"") * 3 + wrong_sum(b"pHYs"), before=wrong_sum(b"gAMA"))
    mended = without_damage(BytesIO(data), pixels=True).read()
    assert mended == png(after=chunk(b"abCd", b"") * 3 + wrong_sum(b"pHYs"))
