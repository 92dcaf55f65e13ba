"""Pictures with parts that no encoder writes."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

from PIL import Image

import processing.images.reading.formats  # noqa: F401 - registers HEIC


def saved(format: str, **options: Any) -> bytes:
    """Return a small picture."""
    output = BytesIO()
    Image.new("RGB", (64, 64), "green").save(output, format, **options)
    return output.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(*chunks: bytes) -> bytes:
    """Return a PNG with these chunks after its header."""
    data = saved("PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def jpeg(between: bytes) -> bytes:
    """Return a JPEG with these bytes at its beginning."""
    return b"\xff\xd8" + between + saved("JPEG")[2:]


def segment(marker: int, content: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def gif(between: bytes) -> bytes:
    """Return a GIF with these bytes after its palette."""
    data = saved("GIF")
    start = 13 + (3 << (data[10] & 7) + 1)
    return data[:start] + between + data[start:]


def webp(*chunks: bytes, size: tuple[int, int] = (64, 64)) -> bytes:
    """Return an extended WebP with these chunks before its picture."""
    canvas = b"".join((side - 1).to_bytes(3, "little") for side in size)
    body = b"WEBP" + part(b"VP8X", bytes(4) + canvas) + b"".join(chunks) + saved("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def part(name: bytes, content: bytes) -> bytes:
    """Return a chunk of a WebP."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def box(name: bytes, content: bytes = b"") -> bytes:
    """Return a box of an AVIF or HEIC."""
    return struct.pack(">I", 8 + len(content)) + name + content


def with_meta(data: bytes, more: bytes) -> bytes:
    """Return an AVIF or HEIC with more bytes in its `meta` box."""
    at = data.index(b"meta") - 4
    size = int.from_bytes(data[at : at + 4])
    return data[:at] + box(b"meta", data[at + 8 : at + size] + more) + data[at + size :]


def changed_meta(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Return an AVIF or HEIC with another content of its `meta` box, whose locations still fit."""
    at = data.index(b"meta") - 4
    end = at + int.from_bytes(data[at : at + 4])
    content = bytearray(change(data[at + 8 : end]))
    _move_locations(content, by=len(content) - (end - at - 8))
    return data[:at] + box(b"meta", bytes(content)) + data[end:]


def _move_locations(meta: bytearray, *, by: int) -> None:
    """Move the locations of the items, in the form in which libavif and libheif write them."""
    place = meta.index(b"iloc") + 4
    version, _, sizes, base, count = struct.unpack_from(">B3sBBH", meta, place)
    assert (version, sizes) == (0, 0x44)
    place += 8
    for _ in range(count):
        at = place + (4 if base else 6)
        (location,) = struct.unpack_from(">I", meta, at)
        struct.pack_into(">I", meta, at, location + by)
        place += 18 if base else 14


def media(brands: bytes, *boxes: bytes) -> bytes:
    """Return a file with these brands, the major one first."""
    return box(b"ftyp", brands[:4] + bytes(4) + brands[4:]) + b"".join(boxes)


def items(*types: bytes, primary: int = 1, sources: tuple[int, ...] = ()) -> bytes:
    """Return a `meta` box of items with these types; the primary one may be made of others."""
    entries = [
        box(b"infe", b"\2\0\0\0" + struct.pack(">HH4sx", number, 0, kind))
        for number, kind in enumerate(types, start=1)
    ]
    parts = box(b"hdlr", bytes(8) + b"pict" + bytes(13)) + box(b"pitm", struct.pack(">IH", 0, primary))
    parts += box(b"iinf", struct.pack(">IH", 0, len(types)) + b"".join(entries))
    if sources:
        numbers = struct.pack(f">HH{len(sources)}H", primary, len(sources), *sources)
        parts += box(b"iref", bytes(4) + box(b"dimg", numbers))
    return box(b"meta", bytes(4) + parts)


def track(coding: bytes) -> bytes:
    """Return a `moov` box with a track of pictures in this coding."""
    entries = box(b"stsd", struct.pack(">II", 0, 1) + box(coding, bytes(78)))
    return box(b"moov", box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", entries)))))
