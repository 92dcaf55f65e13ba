"""Pictures with parts that no encoder writes."""

import struct
import zlib
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
