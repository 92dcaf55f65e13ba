"""Scans: the work that the scans of a JPEG make, by their headers (ITU-T T.81, annexes B and G).

A decoder passes over all blocks of a scan's components, whatever data the scan has: one without any takes ten
bytes of the file.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from processing.images.reading.jpeg import FRAMES, MARKER, PROGRESSIVE, SCAN, Segment, segments
from processing.images.reading.limits import LEAST_FRAME
from processing.images.reading.work import Work

_END = 0xD9
_SIDE, _COEFFICIENTS = 8, 64
_ARITHMETIC = {0xC9, 0xCA}
# A block of the most expensive arithmetic coding takes this many times as long as one of the most expensive
# Huffman coding (measured, docs/adr/0023).
_TIMES_IF_ARITHMETIC = 100
# Decoders read no length behind a reserved marker, and look for the next one.
_ALONE = {*range(0x01, 0xC0), 0xD8}
_LEAST_PIECE, _LARGEST_PIECE = 1 << 6, 1 << 18


class _Component(NamedTuple):
    """A component: its id, and how many of its blocks a unit has across and down (A.1.1, A.2.3)."""

    number: int
    across: int
    down: int


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame header: its marker, its size and its components (B.2.2)."""

    marker: int
    width: int
    height: int
    components: list[_Component]

    def pixels(self, scan: "_Scan") -> int:
        """Return the pixels of a scan's blocks; those of arithmetic coding count many times."""
        across = _SIDE * max(one.across for one in self.components)
        down = _SIDE * max(one.down for one in self.components)
        pixels = -(-self.width // across) * -(-self.height // down) * self._blocks(scan) * _SIDE**2
        if self.marker in _ARITHMETIC:
            coefficients = scan.coefficients if self.marker in PROGRESSIVE else _COEFFICIENTS
            pixels = pixels * _TIMES_IF_ARITHMETIC * coefficients // _COEFFICIENTS
        return max(LEAST_FRAME, pixels)

    def _blocks(self, scan: "_Scan") -> int:
        """Return the blocks of a unit. Of several components with the same id, the largest counts."""
        sizes = {one.number: 0 for one in self.components}
        for one in self.components:
            sizes[one.number] = max(sizes[one.number], one.across * one.down)
        return sum(sizes.get(number, 0) for number in scan.components)


@dataclass(frozen=True, slots=True)
class _Scan:
    """A scan header: the ids of its components, and the number of coefficients of each block (B.2.3)."""

    components: tuple[int, ...]
    coefficients: int


def count_scans(stream: BinaryIO, work: Work, add_part: Callable[[], None]) -> None:
    """Count the work of a JPEG's scans, and the segments behind the first of them.

    Only the header of a JPEG with a single scan is read. Nothing is read behind the first picture, because no
    decoder does it here.
    """
    frame = None
    for segment in _all_segments(stream):
        if work.pixels:
            add_part()
        stream.seek(segment.position)
        if segment.marker in FRAMES:
            frame = frame or _frame(segment.marker, stream.read(segment.size))
        elif segment.marker == SCAN:
            scan = _scan(stream.read(segment.size))
            if frame is None or scan is None:
                return
            work.add(frame.pixels(scan))
            if frame.marker not in PROGRESSIVE and len(scan.components) == len(frame.components):
                return


def _all_segments(stream: BinaryIO) -> Iterator[Segment]:
    """Yield the segments up to the end of the first picture; the stream may be moved between two of them."""
    position: int | None = None
    for segment in segments(stream):
        yield segment
        position = segment.position + segment.size
    while position is not None and (found := _next_marker(stream, position)):
        marker, position = found
        if marker == _END:
            return
        if marker not in _ALONE:
            stream.seek(position)
            size = max(0, int.from_bytes(stream.read(2)) - 2)
            yield Segment(marker, position + 2, size)
            position += 2 + size


def _next_marker(stream: BinaryIO, position: int) -> tuple[int, int] | None:
    """Return the next marker that ends a scan, and the position behind it."""
    stream.seek(position)
    size, before = _LEAST_PIECE, b""
    while piece := stream.read(size):
        data = before + piece
        if found := MARKER.search(data):
            return data[found.end() - 1], position - len(before) + found.end()
        position += len(piece)
        before, size = piece[-1:], min(2 * size, _LARGEST_PIECE)
    return None


def _frame(marker: int, content: bytes) -> _Frame | None:
    """Return the frame header with this content, or None if it is broken."""
    if len(content) < 6 or not 1 <= content[5] <= (len(content) - 6) // 3:
        return None
    height, width = int.from_bytes(content[1:3]), int.from_bytes(content[3:5])
    parts = [content[start : start + 2] for start in range(6, 6 + 3 * content[5], 3)]
    components = [_Component(number, max(1, both >> 4), max(1, both & 15)) for number, both in parts]
    return _Frame(marker, width, height, components)


def _scan(content: bytes) -> _Scan | None:
    """Return the scan header with this content, or None if it is broken."""
    end = 1 + 2 * content[0] if content else 0
    if not 1 < end <= len(content) - 3:
        return None
    first, last = content[end], content[end + 1]
    return _Scan(tuple(content[1:end:2]), min(max(1, last - first + 1), _COEFFICIENTS))
