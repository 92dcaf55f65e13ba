"""ThumbHash: a picture's shape, colours and transparency in about 25 bytes.

The format is Evan Wallace's (https://evanw.github.io/thumbhash/). It stores a few coefficients of the
discrete cosine transform of luminance, two colour differences and alpha, in four bits each.
"""

from collections.abc import Iterator
from math import cos, floor, pi
from operator import mul
from typing import NamedTuple

# Pixels of the longer side of a drawing, and the saturation that compensates for coarse steps, both as in the
# reference implementation.
_SIDE = 32
_SATURATION = 1.25


class _Channel(NamedTuple):
    average: float
    waves: list[float]
    scale: float


class Drawing(NamedTuple):
    """The picture that a ThumbHash shows, four bytes a pixel."""

    width: int
    height: int
    rgba: bytes


def encode(*, width: int, height: int, rgba: bytes) -> bytes:
    """Return the ThumbHash of `rgba`, four bytes a pixel, at most 100 pixels a side.

    The time is proportional to the number of pixels: pass 32 a side.
    """
    pixels = width * height
    alphas = [value / 255 for value in rgba[3::4]]
    reds, greens, blues = ([value / 255 for value in rgba[start::4]] for start in range(3))
    opacity = sum(alphas)
    transparent = opacity < pixels
    red, green, blue = (_over_average(values, alphas, opacity) for values in (reds, greens, blues))

    limit, longest = (5 if transparent else 7), max(width, height)
    across, down = max(1, _round(limit * width / longest)), max(1, _round(limit * height / longest))
    luminance = [(r + g + b) / 3 for r, g, b in zip(red, green, blue, strict=True)]
    yellow_blue = [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)]
    red_green = [r - g for r, g in zip(red, green, strict=True)]
    light = _transform(luminance, width, height, max(3, across), max(3, down))
    yellowness = _transform(yellow_blue, width, height, 3, 3)
    redness = _transform(red_green, width, height, 3, 3)
    opaqueness = _transform(alphas, width, height, 5, 5) if transparent else None

    landscape = width > height
    first = (
        _round(63 * light.average)
        | _round(31.5 + 31.5 * yellowness.average) << 6
        | _round(31.5 + 31.5 * redness.average) << 12
        | _round(31 * light.scale) << 18
        | transparent << 23
    )
    second = (
        (down if landscape else across)
        | _round(63 * yellowness.scale) << 3
        | _round(63 * redness.scale) << 9
        | landscape << 15
    )
    head = first.to_bytes(3, "little") + second.to_bytes(2, "little")
    waves = light.waves + yellowness.waves + redness.waves
    if opaqueness is not None:
        head += bytes([_round(15 * opaqueness.average) | _round(15 * opaqueness.scale) << 4])
        waves += opaqueness.waves
    return head + _pack(waves)


def decode(digest: bytes) -> Drawing:
    """Return the picture that a ThumbHash shows, 32 pixels along the longer side."""
    first, second = int.from_bytes(digest[:3], "little"), int.from_bytes(digest[3:5], "little")
    transparent, landscape = bool(first >> 23), bool(second >> 15)
    longer, shorter = (5 if transparent else 7), second & 7
    across, down = (longer, shorter) if landscape else (shorter, longer)
    width, height = (max(1, _round(_SIDE * min(1, ratio))) for ratio in (across / down, down / across))

    packed = digest[6 if transparent else 5 :]
    nibbles = (nibble for byte in packed for nibble in (byte & 15, byte >> 4))
    light = _unpack(nibbles, (first & 63) / 63, (first >> 18 & 31) / 31, max(3, across), max(3, down))
    yellowness = _unpack(nibbles, (first >> 6 & 63) / 31.5 - 1, (second >> 3 & 63) / 63 * _SATURATION, 3, 3)
    redness = _unpack(nibbles, (first >> 12 & 63) / 31.5 - 1, (second >> 9 & 63) / 63 * _SATURATION, 3, 3)
    channels = [light, yellowness, redness]
    if transparent:
        channels.append(_unpack(nibbles, (digest[5] & 15) / 15, (digest[5] >> 4) / 15, 5, 5))
    pixels = zip(*(_draw(waves, width, height) for waves in channels), strict=True)
    return Drawing(width, height, b"".join(_pixel(*values) for values in pixels))


def _over_average(values: list[float], alphas: list[float], opacity: float) -> list[float]:
    """Return a colour's values, composited on the picture's average colour."""
    average = sum(v * a for v, a in zip(values, alphas, strict=True)) / opacity if opacity else 0.0
    return [average * (1 - a) + v * a for v, a in zip(values, alphas, strict=True)]


def _transform(values: list[float], width: int, height: int, across: int, down: int) -> _Channel:
    """Return the lowest coefficients of the cosine transform, the first `across` by `down`."""
    columns = [values[start::width] for start in range(width)]
    x_cosines = [[cos(pi / width * wave * (x + 0.5)) for x in range(width)] for wave in range(across)]
    average, waves = 0.0, []
    for y_wave in range(down):
        y_cosines = [cos(pi / height * y_wave * (y + 0.5)) for y in range(height)]
        row = [sum(map(mul, column, y_cosines)) for column in columns]
        x_wave = 0
        while x_wave * down < across * (down - y_wave):
            total = sum(map(mul, row, x_cosines[x_wave]))
            if x_wave or y_wave:
                waves.append(total / (width * height))
            else:
                average = total / (width * height)
            x_wave += 1
    scale = max(map(abs, waves), default=0.0)
    return _Channel(average, [0.5 + 0.5 / scale * wave if scale else 0.0 for wave in waves], scale)


def _pack(waves: list[float]) -> bytes:
    nibbles = [_round(15 * wave) for wave in waves]
    nibbles += [0] * (len(nibbles) % 2)
    return bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))


def _unpack(
    nibbles: Iterator[int], average: float, scale: float, across: int, down: int
) -> list[list[float]]:
    """Return a channel's coefficients, a list for each vertical wave."""
    counts = (len(range(0, across * (down - y), down)) for y in range(down))
    return [
        [(next(nibbles) / 7.5 - 1) * scale if x or y else average / 2 for x in range(count)]
        for y, count in enumerate(counts)
    ]


def _draw(waves: list[list[float]], width: int, height: int) -> list[float]:
    """Return a channel's values, row by row: each wave counts twice, and the average is stored halved."""
    across = max(map(len, waves))
    cosines = [[cos(pi / width * (x + 0.5) * wave) for wave in range(across)] for x in range(width)]
    values = []
    for y in range(height):
        # Sum the terms that all pixels of a row share once.
        row = [0.0] * across
        for y_wave, amounts in enumerate(waves):
            height_of_wave = 2 * cos(pi / height * (y + 0.5) * y_wave)
            for x_wave, amount in enumerate(amounts):
                row[x_wave] += amount * height_of_wave
        values += [sum(map(mul, row, column)) for column in cosines]
    return values


def _pixel(light: float, yellowness: float, redness: float, alpha: float = 1.0) -> bytes:
    blue = light - 2 / 3 * yellowness
    red = (3 * light - blue + redness) / 2
    return bytes(int(255 * min(1, max(0, value))) for value in (red, red - redness, blue, alpha))


def _round(value: float) -> int:
    """Round half up, like the reference implementation; Python rounds half to even."""
    return floor(value + 0.5)
