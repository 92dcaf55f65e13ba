"""ThumbHash compared with the reference's output, and decoded by a separate decoder."""

from collections.abc import Callable
from math import cos, pi
from typing import NamedTuple

import pytest

from processing.images.encoding import thumbhash
from processing.images.reading.limits import Limits
from processing.images.source import decode
from processing.presets import Preset
from tests.conftest import MakeImage

Pixel = tuple[int, int, int, int]


class Case(NamedTuple):
    width: int
    height: int
    pixel: Callable[[int, int], Pixel]
    # The output of the reference implementation (version 0.1.1) for these pixels.
    reference: str


CASES = {
    "gradient": Case(
        32, 20, lambda x, y: (x * 8, y * 12, 128, 255), "9e170a349a707787707888878777708007f788"
    ),
    "tall": Case(
        12, 32, lambda x, y: (x * y % 256, 255 - y * 7, x * 20, 255), "1b780d4b22708a78787887887f8a570778"
    ),
    "square": Case(
        24,
        24,
        lambda x, y: (250 if x < 12 else 10, 240 if y < 12 else 20, (x * 10 + y) % 256, 255),
        "20080eaf267b74798f878777885888778889f7b8888f8107",
    ),
    "transparent": Case(
        30,
        16,
        lambda x, y: (x * 8, 200, y * 15, (x + y) * 5),
        "6789852b8826a187b08879946f068b8970777488877877",
    ),
    "clear": Case(8, 8, lambda x, y: (0, 0, 0, 0), "00088205000000000000000000000000000000000000000000"),
    "pixel": Case(
        1, 1, lambda x, y: (255, 255, 255, 255), "3f087e070008f708888788708f7088f80888000000000000"
    ),
    "strip": Case(100, 1, lambda x, y: (x * 2, 50, 255 - x * 2, 255), "596532a1988887888888088882871f8808"),
}


def pixels_of(case: Case) -> bytes:
    return bytes(value for y in range(case.height) for x in range(case.width) for value in case.pixel(x, y))


def encoded(case: Case) -> bytes:
    return thumbhash.encode(width=case.width, height=case.height, rgba=pixels_of(case))


class Decoded(NamedTuple):
    """The header of a ThumbHash, read bit by bit according to the published format."""

    red: float
    green: float
    blue: float
    alpha: float
    transparent: bool
    landscape: bool
    across: int
    down: int


def read(data: bytes) -> Decoded:
    first, second = int.from_bytes(data[:3], "little"), int.from_bytes(data[3:5], "little")
    luminance = (first & 63) / 63
    yellow_blue = (first >> 6 & 63) / 31.5 - 1
    red_green = (first >> 12 & 63) / 31.5 - 1
    transparent, landscape = bool(first >> 23), bool(second >> 15)
    blue = luminance - 2 / 3 * yellow_blue
    red = (3 * luminance - blue + red_green) / 2
    longest, shortest = (5 if transparent else 7), second & 7
    return Decoded(
        red,
        red - red_green,
        blue,
        (data[5] & 15) / 15 if transparent else 1.0,
        transparent,
        landscape,
        longest if landscape else shortest,
        shortest if landscape else longest,
    )


def luminances(data: bytes, width: int, height: int) -> list[float]:
    """Return the luminance in a ThumbHash, 0 to 1, row by row, drawn at `width` by `height`."""
    head, first = read(data), int.from_bytes(data[:3], "little")
    average, scale = (first & 63) / 63, (first >> 18 & 31) / 31
    across, down = max(3, head.across), max(3, head.down)
    waves = [(x, y) for y in range(down) for x in range(across) if x * down < across * (down - y)][1:]
    nibbles = [nibble for byte in data[6 if head.transparent else 5 :] for nibble in (byte & 15, byte >> 4)]
    amounts = [2 * scale * (nibble / 7.5 - 1) for nibble in nibbles[: len(waves)]]
    return [
        average
        + sum(
            amount * cos(pi / width * (x + 0.5) * x_wave) * cos(pi / height * (y + 0.5) * y_wave)
            for (x_wave, y_wave), amount in zip(waves, amounts, strict=True)
        )
        for y in range(height)
        for x in range(width)
    ]


def nibbles_apart(one: bytes, other: bytes) -> int:
    """Return the largest difference between two coefficients at the same position."""
    return max(abs(int(a, 16) - int(b, 16)) for a, b in zip(one.hex(), other.hex(), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_encoding_matches_the_reference(name: str) -> None:
    ours, reference = encoded(CASES[name]), bytes.fromhex(CASES[name].reference)
    assert ours[:4] == reference[:4]
    # A coefficient exactly between two steps may be rounded either way.
    assert nibbles_apart(ours, reference) <= 1


@pytest.mark.parametrize("name", ["gradient", "tall", "square", "strip", "pixel"])
def test_header_contains_the_average_colour(name: str) -> None:
    case = CASES[name]
    pixels, count = pixels_of(case), case.width * case.height
    head = read(encoded(case))
    for shown, start in ((head.red, 0), (head.green, 1), (head.blue, 2)):
        assert shown == pytest.approx(sum(pixels[start::4]) / count / 255, abs=0.04)
    assert not head.transparent


def test_header_contains_average_alpha_and_visible_colour() -> None:
    # The left half is transparent black, the right half orange. Black is never visible.
    rgba = (bytes([0, 0, 0, 0]) * 8 + bytes([255, 128, 0, 255]) * 8) * 8
    head = read(thumbhash.encode(width=16, height=8, rgba=rgba))
    assert head.transparent
    assert head.alpha == pytest.approx(0.5, abs=0.04)
    assert (head.red, head.green, head.blue) == pytest.approx((1, 0.5, 0), abs=0.04)


@pytest.mark.parametrize(
    ("width", "height", "across", "down"),
    [(32, 32, 7, 7), (32, 16, 7, 4), (16, 32, 4, 7), (32, 1, 7, 1), (1, 32, 1, 7), (1, 1, 7, 7)],
)
def test_header_contains_the_aspect_ratio(width: int, height: int, across: int, down: int) -> None:
    head = read(thumbhash.encode(width=width, height=height, rgba=bytes([9, 99, 200, 255]) * width * height))
    assert (head.across, head.down) == (across, down)
    assert head.landscape is (width > height)


def test_transparency_reduces_the_number_of_waves() -> None:
    head = read(thumbhash.encode(width=32, height=16, rgba=bytes([9, 99, 200, 100]) * 512))
    assert (head.across, head.down, head.transparent) == (5, 3, True)


@pytest.mark.parametrize("name", ["gradient", "square", "tall"])
def test_decoded_hash_looks_like_the_picture(name: str) -> None:
    case = CASES[name]
    drawn, pixels = luminances(encoded(case), case.width, case.height), pixels_of(case)
    meant = [sum(pixels[start : start + 3]) / 765 for start in range(0, len(pixels), 4)]
    error = sum(abs(a - b) for a, b in zip(drawn, meant, strict=True)) / len(meant)
    mirrored = sum(abs(a - b) for a, b in zip(drawn, reversed(meant), strict=True)) / len(meant)
    assert error < 0.08
    assert mirrored > 2 * error


def test_one_translucent_pixel_makes_the_hash_transparent() -> None:
    almost = bytes([1, 2, 3, 255]) * 15 + bytes([1, 2, 3, 254])
    assert read(thumbhash.encode(width=4, height=4, rgba=almost)).transparent
    assert not read(thumbhash.encode(width=4, height=4, rgba=bytes([1, 2, 3, 255]) * 16)).transparent


def test_thumbhash_is_short() -> None:
    assert max(len(encoded(case)) for case in CASES.values()) <= 25


def test_large_picture_is_hashed_from_a_small_placeholder(make_image: MakeImage) -> None:
    limits = Limits(pixels=10**8, animation_pixels=10**8)
    source = decode(make_image(width=3000, height=2000), presets=[Preset(name="p", width=256)], limits=limits)
    placeholder = source.placeholder()
    assert max(placeholder.width, placeholder.height) == 32
    digest = thumbhash.encode(width=placeholder.width, height=placeholder.height, rgba=placeholder.rgba)
    head = read(digest)
    assert (head.red, head.green, head.blue) == pytest.approx((0.5, 0.5, 0), abs=0.05)
    assert head.landscape


# --- Drawing ------------------------------------------------------------------------------------

# Width, height, and the first, middle and last pixel, as the reference (version 0.1.1) draws them.
DRAWN = {
    "gradient": (32, 18, "0b008aff", "008780ff", "dbc667ff"),
    "tall": (14, 32, "00ff03ff", "1b9000ff", "9500c5ff"),
    "square": (32, 32, "ffff00ff", "ff5000ff", "0000ffff"),
    "transparent": (32, 19, "82c76700", "7dce786d", "d5cfcab7"),
    "clear": (32, 32, "03000000", "03000000", "03000000"),
    "pixel": (32, 32, "000000ff", "ffffffff", "000000ff"),
    "strip": (32, 5, "007971ff", "ff6effff", "4d0900ff"),
}


@pytest.mark.parametrize("name", CASES)
def test_decoding_matches_the_reference(name: str) -> None:
    drawing = thumbhash.decode(bytes.fromhex(CASES[name].reference))
    count = drawing.width * drawing.height
    assert len(drawing.rgba) == 4 * count
    pixels = [drawing.rgba[4 * place : 4 * place + 4].hex() for place in (0, count // 2, count - 1)]
    assert (drawing.width, drawing.height, *pixels) == DRAWN[name]


@pytest.mark.parametrize(("width", "height"), [(32, 20), (20, 32), (32, 32), (32, 5)])
@pytest.mark.parametrize("alpha", [255, 128])
def test_encoding_and_decoding_preserve_the_picture(width: int, height: int, alpha: int) -> None:
    rgba = bytes(
        value
        for y in range(height)
        for x in range(width)
        for value in (40 + 150 * x // width, 60 + 120 * y // height, 128, alpha)
    )
    drawing = thumbhash.decode(thumbhash.encode(width=width, height=height, rgba=rgba))
    assert drawing.width / drawing.height == pytest.approx(width / height, rel=0.25)
    for y in range(drawing.height):
        for x in range(drawing.width):
            meant = 4 * (y * height // drawing.height * width + x * width // drawing.width)
            place = 4 * (y * drawing.width + x)
            # Evenly changing colours are accurate, except at the edges, where the waves overshoot.
            assert list(drawing.rgba[place : place + 4]) == pytest.approx(
                list(rgba[meant : meant + 4]), abs=60
            )
