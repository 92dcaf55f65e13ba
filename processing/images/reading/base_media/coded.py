"""Coded data: the pictures in the items and samples of AVIF and HEIC files, by the headers of their units.

One item may hold many pictures: a decoder decodes all of them, and shows one. Their size is the one that the
coded data state. The boxes around them may state another.
"""

from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, Protocol

from processing.images.reading.base_media.sequence_headers import Bits, leb128, size_in

# A picture counts as at least this many pixels, because each costs time however small it is. The smallest
# tiles of a grid are a quarter of it.
_LEAST_PIXELS = 128 * 128
# The types of AV1's units (AV1 specification, 6.2.2). A frame is one unit, or a header before its tiles.
_SEQUENCE_HEADER, _FRAMES = 1, {3, 6}
# A unit's header, and more than any header of a sequence.
_UNIT_BYTES, _HEADER_BYTES = 10, 1024
# The types of HEVC's units (ITU-T H.265, 7.4.2.2): slices, and the sequence's parameters.
_LAST_SLICE, _PARAMETERS = 31, 33
_ESCAPED_ZEROS = b"\0\0\3"
_CONFIGURATION_BYTES = 22
# The longest number has 32 bits.
_MOST_ZEROS = 32


class Coded(NamedTuple):
    """Coded data in one or several places of a file, each with its position and its length."""

    stream: BinaryIO
    places: list[tuple[int, int]]

    @property
    def length(self) -> int:
        """Return the number of bytes."""
        return sum(length for _, length in self.places)

    def read(self, position: int, count: int) -> bytes:
        """Return up to `count` bytes from a position in the coded data."""
        found = b""
        for start, length in self.places:
            if len(found) >= count:
                break
            if position < length:
                self.stream.seek(start + position)
                found += self.stream.read(min(length - position, count - len(found)))
            position = max(0, position - length)
        return found


class Coding(Protocol):
    """A coding, which counts the pixels of coded data."""

    def pixels(self, coded: Coded, add_part: Callable[[], None]) -> Iterator[int]:
        """Yield the pixels of each picture. Call `add_part`, which refuses too many, for each unit.

        Raises `IndexError` for broken data.
        """


class Av1:
    """The coding AV1; its frames have the size of the last sequence header."""

    def __init__(self) -> None:
        self._frame = _LEAST_PIXELS

    def pixels(self, coded: Coded, add_part: Callable[[], None]) -> Iterator[int]:
        """Yield the pixels of each frame, including hidden ones (AV1 specification, 5.3)."""
        position, end = 0, coded.length
        while position < end:
            add_part()
            head = coded.read(position, _UNIT_BYTES)
            kind, extended, sized = head[0] >> 3 & 15, head[0] >> 2 & 1, head[0] >> 1 & 1
            start = 1 + extended
            size = end - position - start
            if sized:
                size, start = leb128(head, start)
            if kind == _SEQUENCE_HEADER:
                width, height = size_in(coded.read(position + start, min(size, _HEADER_BYTES)))
                self._frame = max(width * height, _LEAST_PIXELS)
            elif kind in _FRAMES:
                yield self._frame
            position += start + size


class Hevc:
    """The coding HEVC; `configuration` is the content of an item's `hvcC` (ISO/IEC 14496-15, 8.3.2.1)."""

    def __init__(self, configuration: bytes, add_part: Callable[[], None]) -> None:
        self._picture = _LEAST_PIXELS
        self._prefix = 1 + (configuration[_CONFIGURATION_BYTES - 1] & 3)
        position = _CONFIGURATION_BYTES + 1
        for _ in range(configuration[_CONFIGURATION_BYTES]):
            count = int.from_bytes(configuration[position + 1 : position + 3])
            position += 3
            for _ in range(count):
                add_part()
                size = int.from_bytes(configuration[position : position + 2])
                self._note_parameters(configuration[position + 2 : position + 2 + size])
                position += 2 + size
                if position > len(configuration):
                    raise IndexError(position)

    def pixels(self, coded: Coded, add_part: Callable[[], None]) -> Iterator[int]:
        """Yield the pixels of each slice.

        A slice may reach from any place of its picture to the end. So the first one of a picture counts as
        the whole picture, and each other one as half of it.
        """
        position, end = 0, coded.length
        while position < end:
            add_part()
            head = coded.read(position, self._prefix + 3)
            size = int.from_bytes(head[: self._prefix])
            kind = head[self._prefix] >> 1 & 63
            if kind == _PARAMETERS:
                self._note_parameters(coded.read(position + self._prefix, min(size, _HEADER_BYTES)))
            elif kind <= _LAST_SLICE:
                is_first = head[self._prefix + 2] >> 7
                yield self._picture if is_first else self._picture // 2
            position += self._prefix + size

    def _note_parameters(self, unit: bytes) -> None:
        """Note the size in a unit, if it has the parameters of the sequence (ITU-T H.265, 7.3.2.2)."""
        layer = (unit[0] & 1) << 5 | unit[1] >> 3
        if unit[0] >> 1 & 63 == _PARAMETERS and not layer:
            bits = Bits(unit[2:].replace(_ESCAPED_ZEROS, b"\0\0"))
            bits.read(4)
            _skip_profile(bits, layers=bits.read(3))
            _golomb(bits)
            if _golomb(bits) == 3:
                bits.read(1)
            self._picture = max(self._picture, _golomb(bits) * _golomb(bits))


def _skip_profile(bits: Bits, *, layers: int) -> None:
    """Skip a flag, the profile and the level (ITU-T H.265, 7.3.3), with `layers` above the first."""
    bits.read(1 + 88 + 8)
    told = [(bits.read(1), bits.read(1)) for _ in range(layers)]
    if layers:
        bits.read(2 * (8 - layers))
    for profile, level in told:
        bits.read(88 * profile + 8 * level)


def _golomb(bits: Bits) -> int:
    """Return a number of variable length (ITU-T H.265, 9.2)."""
    zeros = 0
    while not bits.read(1):
        zeros += 1
        if zeros > _MOST_ZEROS:
            raise IndexError(zeros)
    return (1 << zeros) - 1 + bits.read(zeros)
