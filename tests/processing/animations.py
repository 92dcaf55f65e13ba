"""GIF and APNG animations, built byte by byte, as no encoder writes them."""

from collections.abc import Iterable
from io import BytesIO
from struct import pack
from typing import NamedTuple
from zlib import compress, crc32

from PIL import Image

RED, GREEN, BLUE, YELLOW = range(4)
COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
CLEAR = (0, 0, 0, 0)
SCREEN = (40, 40)

Place = tuple[int, int]
Size = tuple[int, int]


def palette(*indexes: int) -> bytes:
    return bytes(channel for index in indexes for channel in COLORS[index])


def gif(*blocks: bytes, screen: Size = SCREEN) -> bytes:
    """Return a GIF with four global colours: red, green, blue and yellow."""
    return (
        b"GIF89a"
        + pack("<HHBBB", *screen, 0x81, YELLOW, 0)
        + palette(RED, GREEN, BLUE, YELLOW)
        + b"".join(blocks)
        + b";"
    )


def control(*, disposal: int = 0, hundredths: int = 10, transparent: int | None = None) -> bytes:
    flags = disposal << 2 | (transparent is not None)
    return pack("<BBBBHBB", 0x21, 0xF9, 4, flags, hundredths, transparent or 0, 0)


def loop(repeats: int, name: bytes = b"NETSCAPE2.0") -> bytes:
    return b"\x21\xff\x0b" + name + pack("<BBHB", 3, 1, repeats, 0)


def frame(color: int, size: Size = SCREEN, place: Place = (0, 0), colors: bytes = b"") -> bytes:
    """Return a frame of one colour. `colors` is an optional local palette of four."""
    flags = 0x81 if colors else 0
    return pack("<BHHHHB", 0x2C, *place, *size, flags) + colors + _compressed(color, size)


def _compressed(color: int, size: Size) -> bytes:
    image = Image.new("P", size, color)
    image.putpalette(palette(RED, GREEN, BLUE, YELLOW))
    output = BytesIO()
    image.save(output, "GIF", optimize=False, interlace=False)
    data = output.getvalue()
    descriptor = b"," + pack("<HHHH", 0, 0, *size) + b"\0"
    return data[data.index(descriptor) + len(descriptor) : -1]


class Part(NamedTuple):
    """A frame of an APNG. `disposal` and `blend` are numbers from the specification."""

    picture: Image.Image
    place: Place = (0, 0)
    delay: tuple[int, int] = (1, 10)
    disposal: int = 0
    blend: int = 0


def apng(
    parts: Iterable[Part],
    *,
    plays: int = 0,
    default: Image.Image | None = None,
    declared: int | None = None,
    shared: bytes = b"",
) -> bytes:
    """Return an APNG. A `default` image is not part of the animation."""
    parts = list(parts)
    first = default or parts[0].picture
    kind = {"RGB": 2, "RGBA": 6, "P": 3, "I;16": 0}[first.mode]
    depth = 16 if first.mode == "I;16" else 8
    chunks = chunk(b"IHDR", pack(">IIBBBBB", *first.size, depth, kind, 0, 0, 0))
    chunks += chunk(b"acTL", pack(">II", declared or len(parts), plays)) + shared
    chunks += chunk(b"IDAT", _pixels(default)) if default else b""
    for number, part in enumerate(parts):
        fields = 2 * number, *part.picture.size, *part.place, *part.delay, part.disposal, part.blend
        chunks += chunk(b"fcTL", pack(">IIIIIHHBB", *fields))
        pixels = _pixels(part.picture)
        if number or default:
            chunks += chunk(b"fdAT", pack(">I", 2 * number + 1) + pixels)
        else:
            chunks += chunk(b"IDAT", pixels)
    return b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b"")


def chunk(name: bytes, content: bytes) -> bytes:
    return pack(">I4s", len(content), name) + content + pack(">I", crc32(name + content))


def _pixels(picture: Image.Image) -> bytes:
    if picture.mode == "I;16":
        data = b"".join(
            pack(">H", int.from_bytes(picture.tobytes()[place : place + 2], "little"))
            for place in range(0, 2 * picture.width * picture.height, 2)
        )
    else:
        data = picture.tobytes()
    length = len(data) // picture.height
    return compress(b"".join(b"\0" + data[start : start + length] for start in range(0, len(data), length)))
