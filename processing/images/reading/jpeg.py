"""JPEG: the segments of a file, its coding by its frame header, and its scans (ITU-T T.81, annex B)."""

import re
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import BinaryIO, NamedTuple

from processing.errors import Phrase

SCAN, _HIERARCHY, _LS = 0xDA, 0xDE, 0xF7
# Start-of-frame markers; the gaps are markers of tables.
FRAMES = {*range(0xC0, 0xD0), _HIERARCHY, _LS} - {0xC4, 0xC8, 0xCC}
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_HIERARCHICAL = {0xC5, 0xC6, 0xCD, 0xCE, _HIERARCHY}
PROGRESSIVE = {0xC2, 0xCA}
# Markers without a length.
ALONE = {0x00, 0x01, *range(0xD0, 0xDA)}
# Segments and bytes of junk; `bounds` refuses files with more.
_MOST_PARTS = 50_000
# No honest file has so many scans; libjpeg's own script has ten.
_MOST_SCANS = 1000
# A marker after coded data, where a stuffed zero or a restart marker ends nothing.
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


class Segment(NamedTuple):
    """A marker segment: its marker, and the position and size of its content."""

    marker: int
    position: int
    size: int


class Scan(NamedTuple):
    """A scan: the ids of its components, whether it is their first, and the position of its coded data."""

    components: set[int]
    is_first: bool
    position: int


def segments(stream: BinaryIO, position: int = 2) -> Iterator[Segment]:
    """Yield the segments up to the next scan's header; junk between them is skipped, as Pillow does.

    The stream may be moved between two segments.
    """
    marked = False
    for _ in range(_MOST_PARTS):
        stream.seek(position)
        marker = stream.read(1)
        position += 1
        if not marker:
            return
        if not marked or marker == b"\xff":
            marked = marker == b"\xff"
            continue
        marked = False
        if marker[0] in ALONE:
            continue
        size = max(0, int.from_bytes(stream.read(2)) - 2)
        yield Segment(marker[0], position + 2, size)
        if marker[0] == SCAN:
            return
        position += 2 + size


def unsupported_coding(stream: BinaryIO) -> Phrase | None:
    """Return the kind of a JPEG that no browser shows, by its frame header, or None.

    JPEG-LS is defined in ITU-T T.87.
    """
    for marker, position, _ in segments(stream):
        if marker in FRAMES:
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


def first_scan(data: bytes) -> Segment | None:
    """Return the header of the first scan, or None if the file ends before it."""
    return next((one for one in segments(BytesIO(data)) if one.marker == SCAN), None)


def has_several_scans(data: bytes) -> bool:
    """Return whether the pixels are spread over several scans, which a decoder must collect."""
    frame = next((one for one in segments(BytesIO(data)) if one.marker in FRAMES), None)
    scan = next(_scans(data), None)
    if frame is None or scan is None or frame.size < 6:
        return False
    return frame.marker in PROGRESSIVE or len(scan.components) < data[frame.position + 5]


def has_whole_first_scans(data: bytes) -> bool:
    """Return whether the first scan of every component is whole, because something follows it.

    Later scans only refine the picture (G.1).
    """
    frame = next((one for one in segments(BytesIO(data)) if one.marker in FRAMES), None)
    if frame is None or frame.size < 6:
        return False
    ids = data[frame.position + 6 : frame.position + frame.size : 3]
    whole: set[int] = set()
    for scan in islice(_scans(data), _MOST_SCANS):
        if scan.is_first and MARKER.search(data, scan.position):
            whole |= scan.components
    return whole >= set(ids)


def without_torn_segment(data: bytes) -> bytes:
    """Return a JPEG without the segments behind its last scan, of which the end of the file may cut one."""
    scans = list(islice(_scans(data), _MOST_SCANS))
    after = MARKER.search(data, scans[-1].position) if scans else None
    return data[: after.start()] if after else data


def _scans(data: bytes) -> Iterator[Scan]:
    """Yield the scans whose headers are whole."""
    stream = BytesIO(data)
    position = 2
    while header := next((one for one in segments(stream, position) if one.marker == SCAN), None):
        position = header.position + header.size
        content = data[header.position : position]
        count = content[0] if content else 0
        if len(content) < 4 + 2 * count:
            return
        start, _, approximation = content[1 + 2 * count : 4 + 2 * count]
        yield Scan(set(content[1 : 1 + 2 * count : 2]), start == 0 and approximation < 16, position)
        after = MARKER.search(data, position)
        if not after:
            return
        position = after.start()
