"""Sequence headers of AV1, built bit by bit (AV1 specification, 5.5)."""

import pytest

from processing.images.reading.base_media.sequence_headers import undescribed_header

DELIMITER = b"\x12\0"


def bits(*fields: tuple[int, int]) -> str:
    """Return numbers, each with its count of bits."""
    return "".join(f"{number:0{count}b}" for number, count in fields)


REDUCED = bits((1, 1), (1, 1), (5, 5))
# The beginnings of other headers: without timing, with it, and with the model of a decoder.
ONE_POINT = bits((0, 2), (0, 1), (0, 1), (0, 5), (0, 12), (8, 5), (1, 1))
TIMED = bits((0, 2), (1, 1), (1, 32), (25, 32), (0, 1), (0, 1), (0, 1), (0, 5), (0, 12), (4, 5))
EQUAL = bits(
    (0, 2), (1, 1), (1, 32), (25, 32), (1, 1), (1, 3), (2, 2), (0, 1), (0, 1), (0, 5), (0, 12), (4, 5)
)
MODEL = bits((0, 2), (1, 1), (1, 32), (25, 32), (0, 1), (1, 1), (9, 5), (7, 32), (3, 5), (3, 5))
MODEL += bits((1, 1), (1, 5)) + 2 * bits((0, 12), (4, 5), (1, 1), (5, 10), (6, 10), (1, 1), (1, 1), (3, 4))

SIZES = bits((6, 4), (6, 4), (63, 7), (63, 7))
IDS = SIZES + bits((1, 1), (5, 4), (2, 3))
NO_IDS = SIZES + "0"
# The tools of the coder: with an order of frames and a choice of screen content, and without.
TOOLS = "111" + "1111" + "1" + "11" + "1" + "1" + "101" + "111"
FEW_TOOLS = "000" + "0000" + "0" + "0" + "0" + "000"
FORCED_TOOLS = "000" + "0000" + "0" + "0" + "1" + "0" + "1" + "000"

BEFORE_COLOURS = {
    "reduced": "000" + REDUCED + SIZES + "101" + "110",
    "one point": "000" + ONE_POINT + NO_IDS + TOOLS,
    "numbered frames": "000" + ONE_POINT + IDS + FEW_TOOLS,
    "timed": "000" + TIMED + NO_IDS + FORCED_TOOLS,
    "equal intervals": "000" + EQUAL + NO_IDS + TOOLS,
    "model": "000" + MODEL + NO_IDS + TOOLS,
}
COLOURS = {
    "8 bits": ("000", "0" + "0" + "0"),
    "10 bits": ("000", "1" + "0" + "0"),
    "grey": ("000", "0" + "1" + "0"),
    "4:4:4": ("001", "0" + "0"),
    "12 bits": ("010", "1" + "1" + "0" + "0"),
    "4:2:2": ("010", "0" + "0" + "0"),
}


def unit(header: str, after: str = "10" + "0") -> bytes:
    """Return the unit of a header, ended by a one and zeros (5.3.4)."""
    text = header + after + "1"
    content = int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")
    return b"\x0a" + bytes([len(content)]) + content


@pytest.mark.parametrize("before", BEFORE_COLOURS.values(), ids=BEFORE_COLOURS)
@pytest.mark.parametrize(("profile", "colours"), COLOURS.values(), ids=COLOURS)
def test_full_range_without_colours_becomes_limited(before: str, profile: str, colours: str) -> None:
    start = profile + before[3:] + colours
    stored, limited = unit(start + "1"), unit(start + "0")
    for data in (stored, DELIMITER + stored, DELIMITER + stored + b"\x32\x01\x00"):
        assert undescribed_header(b"abc" + data, 3) == (stored, limited)
    assert undescribed_header(limited, 0) is None


@pytest.mark.parametrize("before", BEFORE_COLOURS.values(), ids=BEFORE_COLOURS)
def test_described_colours_are_kept(before: str) -> None:
    assert undescribed_header(unit(before + "0" + "0" + "1" + bits((1, 8), (13, 8), (6, 8)) + "1"), 0) is None


@pytest.mark.parametrize(
    "data", [DELIMITER * 4, b"\x0a\x0b" + bytes(11), b"\x08" + bytes(9), b"\x32\x00" * 3], ids=bytes.hex
)
def test_other_units_are_left_alone(data: bytes) -> None:
    assert undescribed_header(data + bytes(20), 0) is None


@pytest.mark.parametrize("data", [b"", b"\x0a", b"\x0a\x0b\0", b"\x0a" + b"\xff" * 12], ids=bytes.hex)
def test_truncated_header_is_an_index_error(data: bytes) -> None:
    with pytest.raises(IndexError):
        undescribed_header(data, 0)
