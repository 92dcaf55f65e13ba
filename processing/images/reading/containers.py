"""Containers: how files are divided, and the colour coding that they declare (PNG's cICP, HEIF's colr)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from struct import error, unpack, unpack_from

from processing.images.reading.base_media.boxes import boxes_within

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# No honest file has so many parts before its colours; a hostile one could have millions.
_MOST_PARTS = 1000
# A `meta` box lists the tiles of a picture, not their pixels.
_LARGEST_META = 1 << 20


@dataclass(frozen=True, slots=True)
class CodePoints:
    """A picture's colours by ITU-T H.273: the numbers of its primaries and of its transfer function."""

    primaries: int
    transfer: int


def code_points(data: bytes) -> CodePoints | None:
    """Return the valid code points of a PNG's cICP chunk or an AVIF's or HEIC's colr box, or None."""
    try:
        return _of_png(data) if data.startswith(PNG_SIGNATURE) else _of_boxes(data)
    except (error, IndexError):
        return None


# --- PNG ----------------------------------------------------------------------------------


def _of_png(data: bytes) -> CodePoints | None:
    """Read the chunk cICP (PNG, third edition, 11.3.2.6), but only for RGB in full range."""
    for kind, content in islice(png_chunks(data), _MOST_PARTS):
        if kind == b"cICP":
            primaries, transfer, matrix, full_range = unpack("4B", content)
            return CodePoints(primaries, transfer) if (matrix, full_range) == (0, 1) else None
        if kind == b"IDAT":
            return None
    return None


def png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield names and contents up to the end; in a truncated file, the last content is cut."""
    view, position = memoryview(data), len(PNG_SIGNATURE)
    while position + 8 <= len(data):
        length, name = unpack_from(">I4s", data, position)
        yield name, view[position + 8 : position + 8 + length]
        position += length + 12
        if name == b"IEND":
            return


# --- GIF (GIF89a, sections 15 to 26) ------------------------------------------------------


def gif_colors_bytes(flags: int) -> int:
    """Return the size in bytes of the colour table that these flags declare."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def gif_end_of_blocks(data: bytes, position: int) -> int:
    """Return the end of the sub-blocks that begin at `position`; it may be beyond the file's."""
    length = len(data)
    while position < length and (size := data[position]):
        position += size + 1
    return position + 1


# --- WebP (RFC 9649, 2.3) -----------------------------------------------------------------


def webp_chunks(data: bytes | memoryview, position: int) -> Iterator[tuple[bytes, memoryview]]:
    """Yield names and contents from a position on; the last content may be cut."""
    view = memoryview(data)
    while position + 8 <= len(view):
        name, size = unpack_from("<4sI", view, position)
        yield name, view[position + 8 : position + 8 + size]
        position += 8 + size + size % 2


# --- ISO base media file format (ISO/IEC 14496-12) ----------------------------------------


def _of_boxes(data: bytes) -> CodePoints | None:
    meta = _first(boxes(memoryview(data)), b"meta")
    if not 4 <= len(meta) <= _LARGEST_META:
        return None
    parts = dict(boxes(meta[4:]))
    properties = dict(boxes(parts.get(b"iprp", meta[:0])))
    colours = list(boxes(properties.get(b"ipco", meta[:0])))
    primary, wanted = parts.get(b"pitm", meta[:0]), set[int]()
    for kind, content in boxes(parts.get(b"iprp", meta[:0])):
        if kind == b"ipma":
            wanted |= _of_primary_item(primary, content)
    for number, (kind, content) in enumerate(colours, start=1):
        if kind == b"colr" and bytes(content[:4]) == b"nclx" and number in wanted:
            return CodePoints(*unpack_from(">HH", content, 4))
    return None


def boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield type and content of the boxes that are wholly within the data."""
    for box in boxes_within(data):
        yield box.kind, data[box.content : box.end]


def _first(boxes: Iterator[tuple[bytes, memoryview]], wanted: bytes) -> memoryview:
    return next((content for kind, content in boxes if kind == wanted), memoryview(b""))


def _of_primary_item(primary: memoryview, associations: memoryview) -> set[int]:
    """Return the numbers of the properties of the primary item (ISO/IEC 23008-12, 9.3)."""
    (item,) = unpack_from(">I" if primary[0] else ">H", primary, 4)
    version, wide = associations[0], associations[3] & 1
    (count,) = unpack_from(">I", associations, 4)
    position = 8
    for _ in range(count):
        (found,) = unpack_from(">I" if version else ">H", associations, position)
        position += 4 if version else 2
        many = associations[position]
        numbers = unpack_from(f">{many}{'H' if wide else 'B'}", associations, position + 1)
        if found == item:
            # The highest bit means that a reader must understand the property.
            return {number & (0x7FFF if wide else 0x7F) for number in numbers}
        position += 1 + many * (2 if wide else 1)
    return set()
