"""Boxes: the parts of AVIF and HEIF files (ISO/IEC 14496-12, 4.2)."""

from collections.abc import Iterator
from struct import unpack_from
from typing import NamedTuple

# A picture of tiles has an item for each of them. libavif compares each with all others, which takes
# it a quarter of a second for so many (measured).
MOST_ITEMS = 10_000
# No honest file has so many boxes side by side, except for lists; a hostile one could have millions.
_MOST_BOXES = 1000


class Box(NamedTuple):
    """A box: its type, and the positions of its header, its content and its end."""

    kind: bytes
    start: int
    content: int
    end: int


def boxes_within(
    data: bytes | memoryview, start: int = 0, end: int | None = None, *, most: int = _MOST_BOXES
) -> Iterator[Box]:
    """Yield the boxes that are wholly between two positions.

    Raises `struct.error` or `IndexError` for broken data, as all functions of this module.
    """
    limit = len(data) if end is None else end
    for _ in range(most):
        if start + 8 > limit:
            return
        size, kind = unpack_from(">I4s", data, start)
        header = 8
        if size == 1:
            (size,), header = unpack_from(">Q", data, start + 8), 16
        after = start + size if size else limit
        if not start + header <= after <= limit:
            return
        yield Box(kind, start, start + header, after)
        start = after


def boxes_in(data: bytes, box: Box, skipped: int = 0, *, most: int = _MOST_BOXES) -> Iterator[Box]:
    """Yield the boxes in another box, after the first bytes of its content."""
    return boxes_within(data, box.content + skipped, box.end, most=most)


def by_kind(boxes: Iterator[Box]) -> dict[bytes, Box]:
    """Return the first box of each type."""
    return {box.kind: box for box in reversed(list(boxes))}


def inside(data: bytes, box: Box, *kinds: bytes) -> Box | None:
    """Return the first box of the last type, within the first ones of the types before it."""
    found: Box | None = box
    for kind in kinds:
        found = by_kind(boxes_in(data, found)).get(kind) if found else None
    return found


def number_at(data: bytes, place: int, *, wide: bool) -> int:
    """Return a number of 32 bits, or of 16 if it is not wide."""
    (number,) = unpack_from(">I" if wide else ">H", data, place)
    return int(number)
