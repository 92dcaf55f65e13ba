"""JPEG: the segments of a file, the coding that its frame header names, and its scans (ITU-T T.81, annex B)."""

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from processing.errors import Phrase

_SCAN, _HIERARCHY, _LS = 0xDA, 0xDE, 0xF7
# Start-of-frame markers; the gaps are markers of tables.
_FRAMES = {*range(0xC0, 0xD0), _HIERARCHY, _LS} - {0xC4, 0xC8, 0xCC}
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_HIERARCHICAL = {0xC5, 0xC6, 0xCD, 0xCE, _HIERARCHY}
# Markers without a length.
_ALONE = {0x00, 0x01, *range(0xD0, 0xDA)}
# A marker after coded data, where a stuffed zero or a restart marker ends nothing.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


class Segment(NamedTuple):
    """A marker segment: its marker, and the position and size of its content."""

    marker: int
    position: int
    size: int


def segments(stream: BinaryIO) -> Iterator[Segment]:
    """Yield the segments up to the first scan's header; junk between them is skipped, as Pillow does.

    The stream may be moved between two segments.
    """
    position = 2
    while True:
        stream.seek(position)
        start = stream.read(1)
        while start not in {b"", b"\xff"}:
            start = stream.read(1)
        marker = stream.read(1)
        while marker == b"\xff":
            marker = stream.read(1)
        if not (start and marker):
            return
        position = stream.tell()
        if marker[0] in _ALONE:
            continue
        size = max(0, int.from_bytes(stream.read(2)) - 2)
        yield Segment(marker[0], position + 2, size)
        if marker[0] == _SCAN:
            return
        position += 2 + size


def unsupported_coding(stream: BinaryIO) -> Phrase | None:
    """Return the kind of a JPEG that no browser shows, by its frame header, or None.

    JPEG-LS is defined in ITU-T T.87.
    """
    for marker, position, _ in segments(stream):
        if marker in _FRAMES:
            stream.seek(position)
            return _kind(marker, stream.read(1))
    return None


def _kind(marker: int, precision: bytes) -> Phrase | None:
    if marker == _LS:
        return Phrase("a JPEG-LS image")
    if marker in _LOSSLESS:
        return Phrase("a lossless JPEG image")
    if marker in _HIERARCHICAL:
        return Phrase("a hierarchical JPEG image")
    return Phrase("a 12-bit JPEG image") if precision == b"\x0c" else None
