"""Truncation: whether a file ends too early, and its part that a decoder can open.

The rule for such files is in docs/adr/0019. `available` loads the pixels that are there.
"""

from io import BytesIO
from itertools import islice
from struct import pack_into, unpack_from
from typing import BinaryIO

from processing.images.reading.containers import (
    PNG_SIGNATURE,
    gif_colors_bytes,
    gif_end_of_blocks,
    png_chunks,
)
from processing.images.reading.jpeg import first_scan, without_torn_segment

_JPEG, _GIF, _RIFF, _WEBP, _BOXES = b"\xff\xd8\xff", b"GIF8", b"RIFF", b"WEBP", b"ftyp"
_END_OF_JPEG, _END_OF_PNG = b"\xff\xd9", b"\0\0\0\0IEND"
_EXTENSION, _IMAGE = 0x21, 0x2C
_MOST_PARTS = 50_000
_LARGE_BOXES = {b"meta", b"moov", b"mdat", b"moof"}
# The chunks of a WebP whose beginning a decoder can use.
_PIXELS = {b"VP8 ", b"VP8L"}


def is_truncated(data: bytes) -> bool:
    """Return whether the file ends before its format says, by its structure alone.

    The end may be missing although all pixels are there. In JPEG, PNG and GIF, zeros are no end.
    """
    if data.startswith(_JPEG):
        scan = first_scan(data)
        return scan is not None and data.find(_END_OF_JPEG, scan.position + scan.size) < 0
    if data.startswith(PNG_SIGNATURE):
        return not 0 <= data.rfind(_END_OF_PNG) <= len(data) - 12 and _are_chunks_sound(data)
    if data.startswith(_GIF):
        return _is_gif_truncated(data)
    if data.startswith(_RIFF) and data[8:12] == _WEBP:
        return _webp_size(data) > len(data)
    return data[4:8] == _BOXES and _are_boxes_truncated(data)


def without_torn_end(data: bytes) -> bytes:
    """Return a truncated file as a decoder can open it.

    Programs that were interrupted may leave zeros in place of the end: they are removed.
    """
    if data.startswith(_JPEG):
        return without_torn_segment(data.rstrip(b"\0"))
    if data.startswith((PNG_SIGNATURE, _GIF)):
        return data.rstrip(b"\0")
    return _whole_webp(data) if data.startswith(_RIFF) and data[8:12] == _WEBP else data


def openable(stream: BinaryIO) -> BinaryIO:
    """Return the file as its decoder can open it: only that of WebP needs to see the end."""
    size = stream.seek(0, 2)
    stream.seek(0)
    start = stream.read(12)
    stream.seek(0)
    if start[:4] != _RIFF or start[8:] != _WEBP or _webp_size(start) <= size:
        return stream
    return BytesIO(_whole_webp(stream.read()))


def _are_chunks_sound(data: bytes) -> bool:
    """Return whether a PNG is all chunks up to where it stops, so that it is cut off and not damaged.

    A chunk's name has four letters (PNG, third edition, 5.3).
    """
    names = (name for name, _ in islice(png_chunks(data.rstrip(b"\0")), _MOST_PARTS))
    return all(name.isalpha() and name.isascii() for name in names)


def _is_gif_truncated(data: bytes) -> bool:
    """Return whether the blocks reach the end of the file; an unknown block ends them, as in browsers."""
    if len(data) < 13:
        return True
    position = 13 + gif_colors_bytes(data[10])
    while position < len(data) and data[position] in (_EXTENSION, _IMAGE):
        start = position + 2
        if data[position] == _IMAGE:
            flags = data[position + 9] if position + 9 < len(data) else 0
            start = position + 11 + gif_colors_bytes(flags)
        position = gif_end_of_blocks(data, start)
    return position >= len(data) or not data[position:].strip(b"\0")


def _are_boxes_truncated(data: bytes) -> bool:
    """Return whether one of the large boxes is longer than the rest of the file (ISO/IEC 14496-12, 4.2).

    Other bytes behind the last box are junk.
    """
    position = 0
    for _ in range(_MOST_PARTS):
        if position + 8 > len(data):
            return False
        size, kind = unpack_from(">I4s", data, position)
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16])
        if size < 8:
            return False
        position += size
        if position > len(data):
            return kind in _LARGE_BOXES
    return False


# --- WebP (RFC 9649, 2.3 to 2.7) ----------------------------------------------------------


def _webp_size(start: bytes) -> int:
    """Return the size of the file that its header states."""
    return 8 + int.from_bytes(start[4:8], "little")


def _whole_webp(data: bytes) -> bytes:
    """Return a WebP that ends with its last whole chunk, or with the beginning of the pixels.

    A frame of an animation that is not whole is left out.
    """
    position = 12
    name, length = b"", 0
    for _ in range(_MOST_PARTS):
        if position + 8 > len(data):
            break
        name, length = unpack_from("<4sI", data, position)
        if position + 8 + length > len(data):
            break
        position += 8 + length + length % 2
    whole = bytearray(data)
    available = len(data) - position - 8
    if 0 < available < length and name in _PIXELS:
        pack_into("<I", whole, position + 4, available)
    else:
        del whole[position:]
    whole += bytes(len(whole) % 2)
    pack_into("<I", whole, 4, len(whole) - 8)
    return bytes(whole)
