"""Sequence headers of AV1: the size of the frames, and the range of their samples."""

from typing import NamedTuple

from processing.presets import Size

_SEQUENCE_HEADER = 1
# A sequence header is the first unit of a sample, or follows a delimiter.
_FIRST_UNITS = 3
_SELECT = 2
# Bytes. The longest header of a sequence, with 32 operating points, is shorter.
_LONGEST_HEADER = 1024


class Header(NamedTuple):
    """A sequence header as it is stored, and the same header with limited range."""

    stored: bytes
    limited: bytes


def undescribed_header(data: bytes, place: int) -> Header | None:
    """Return the sequence header at the beginning of a sample, if it claims full range and no colours.

    Return None for a header that describes its colours, or has limited range already. Raises `IndexError`
    for broken data.
    """
    for _ in range(_FIRST_UNITS):
        start = place
        kind, extended, sized = data[place] >> 3 & 15, data[place] >> 2 & 1, data[place] >> 1 & 1
        if not sized:
            return None
        size, place = leb128(data, place + 1 + extended)
        if kind == _SEQUENCE_HEADER:
            bit = _range_bit(Bits(data[place : place + size]))
            return None if bit is None else _header(data[start : place + size], 8 * (place - start) + bit)
        place += size
    return None


def size_in(content: bytes) -> Size:
    """Return the size of the largest frames that a sequence header allows (AV1 specification, 5.5.1).

    Raises `IndexError` for broken data.
    """
    bits = Bits(content)
    _skip_to_size(bits)
    across, down = bits.read(4) + 1, bits.read(4) + 1
    return bits.read(across) + 1, bits.read(down) + 1


def _header(stored: bytes, bit: int) -> Header:
    limited = bytearray(stored)
    limited[bit >> 3] &= ~(0x80 >> (bit & 7))
    return Header(stored, bytes(limited))


def leb128(data: bytes, place: int) -> tuple[int, int]:
    """Return a number and the position after it (AV1 specification, 4.10.5).

    Raises `IndexError` for broken data.
    """
    number = 0
    for count in range(8):
        number |= (data[place + count] & 0x7F) << 7 * count
        if data[place + count] < 0x80:
            return number, place + count + 1
    raise IndexError(place)


class Bits:
    """A reader of the bits of a header, the highest first; it raises `IndexError` at the end."""

    def __init__(self, data: bytes) -> None:
        content = data[:_LONGEST_HEADER]
        self._bits, self._number = 8 * len(content), int.from_bytes(content)
        self.position = 0

    def read(self, count: int) -> int:
        """Return the number in the next bits."""
        self.position += count
        if self.position > self._bits:
            raise IndexError(self.position)
        return self._number >> (self._bits - self.position) & ((1 << count) - 1)


def _range_bit(bits: Bits) -> int | None:
    """Return the position of a set `color_range` in a header without colours (AV1 specification, 5.5)."""
    profile, reduced = _skip_to_size(bits)
    _skip_sizes(bits, reduced=bool(reduced))
    bits.read(3)
    if not reduced:
        _skip_tools(bits)
    bits.read(3)
    # The colours (5.5.2).
    deep = bits.read(1)
    if profile == 2 and deep:
        bits.read(1)
    if profile != 1:
        bits.read(1)
    described = bits.read(1)
    place = bits.position
    return place if bits.read(1) and not described else None


def _skip_to_size(bits: Bits) -> tuple[int, int]:
    """Skip the beginning of a sequence header, and return its profile and whether it is of the short kind."""
    profile = bits.read(3)
    bits.read(1)
    reduced = bits.read(1)
    if reduced:
        bits.read(5)
    else:
        _skip_operating_points(bits)
    return profile, reduced


def _skip_operating_points(bits: Bits) -> None:
    delay = _skip_timing(bits) if bits.read(1) else 0
    displayed = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)
        if delay and bits.read(1):
            bits.read(2 * delay + 1)
        if displayed and bits.read(1):
            bits.read(4)


def _skip_timing(bits: Bits) -> int:
    """Skip the timing, and return the length of the delays of a decoder's buffer, or 0."""
    bits.read(64)
    if bits.read(1):
        zeros = 0
        while not bits.read(1):
            zeros += 1
        bits.read(zeros if zeros < 32 else 0)
    if not bits.read(1):
        return 0
    length = bits.read(5) + 1
    bits.read(32 + 5 + 5)
    return length


def _skip_sizes(bits: Bits, *, reduced: bool) -> None:
    across, down = bits.read(4) + 1, bits.read(4) + 1
    bits.read(across + down)
    if not reduced and bits.read(1):
        bits.read(4 + 3)


def _skip_tools(bits: Bits) -> None:
    bits.read(4)
    ordered = bits.read(1)
    if ordered:
        bits.read(2)
    screen = _SELECT if bits.read(1) else bits.read(1)
    if screen and not bits.read(1):
        bits.read(1)
    if ordered:
        bits.read(3)
