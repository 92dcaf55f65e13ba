"""High dynamic range: tone-map PQ and HLG, which are brighter than a page can show."""

import math
from functools import lru_cache
from typing import Any

from PIL import Image, ImageChops, ImageMath

from processing.images.colour.primaries import Primaries, luminances
from processing.images.geometry.reduction import strips

# Numbers of transfer functions in ITU-T H.273, table 3.
PQ, HLG = 16, 18

# A page's white: the light of a white sheet in the scene (ITU-R BT.2408, table 1), in cd/m².
REFERENCE_WHITE = 203.0
# The brightest light that is distinguished: HLG's nominal peak, and what most PQ is mastered for.
PEAK = 1000.0
# The exponent that turns HLG's scene into a display's light at that peak (ITU-R BT.2100, table 5).
_SYSTEM_GAMMA = 1.2

_DEPTH = 65535


def shown(picture: Image.Image, primaries: Primaries, transfer: int) -> Image.Image:
    """Return an RGB picture in PQ or HLG, tone-mapped to the range of a page, with sRGB's curve.

    The method of ITU-R BT.2408, annex 5 (once BT.2390), is applied to the largest of the three colours, which
    preserves hues. Up to 88 cd/m² nothing changes. The reference white becomes a light grey, and the peak
    becomes white. The primaries do not change.
    """
    canvas = Image.new("RGB", picture.size)
    # In strips, because each pixel takes some forty bytes during the conversion.
    for top, strip in strips(picture):
        canvas.paste(_pq_shown(strip) if transfer == PQ else _hlg_shown(strip, primaries), (0, top))
    return canvas


def _brightest(picture: Image.Image) -> Image.Image:
    """Return the largest colour of each pixel."""
    red, green, blue = picture.split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue)


def _dimmed(picture: Image.Image, lights: list[float], gain: Image.Image) -> Image.Image:
    """Return the picture, whose numbers stand for these `lights` (1 is white), multiplied by the gain."""
    channels = [channel.point(lights, "F") for channel in picture.split()]
    scaled = [ImageMath.lambda_eval(_scaled, light=light, gain=gain) for light in channels]
    return Image.merge("RGB", [light.point(_srgb_numbers(), "L") for light in scaled])


def _scaled(images: dict[str, Any]) -> Any:
    return images["int"](images["light"] * images["gain"] * _DEPTH + 0.5)


@lru_cache(maxsize=1)
def _srgb_numbers() -> list[int]:
    """Return the number, 0 to 255, of each light from 0 to `_DEPTH`, by IEC 61966-2-1."""
    linear = [round(255 * 12.92 * light / _DEPTH) for light in range(206)]
    return linear + [
        round(255 * (1.055 * math.pow(light / _DEPTH, 1 / 2.4) - 0.055)) for light in range(206, _DEPTH + 1)
    ]


def _gain(light: float) -> float:
    """Return the factor that dims a pixel whose brightest colour has that light."""
    return compressed(light) / light if light else 0.0


def compressed(light: float) -> float:
    """Return a light's compressed brightness in cd/m², by ITU-R BT.2408, annex 5; black stays black."""
    peak = to_pq(PEAK)
    highest = to_pq(REFERENCE_WHITE) / peak
    knee = 1.5 * highest - 0.5
    value = min(1.0, to_pq(light) / peak)
    if value > knee:
        t = (value - knee) / (1 - knee)
        value = (
            (2 * t**3 - 3 * t**2 + 1) * knee
            + (t**3 - 2 * t**2 + t) * (1 - knee)
            + (-2 * t**3 + 3 * t**2) * highest
        )
    return from_pq(value * peak)


# --- PQ (SMPTE ST 2084; ITU-R BT.2100, table 4) -------------------------------------------

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def from_pq(value: float) -> float:
    """Return the light, in cd/m², of a PQ number from 0 to 1."""
    root = math.pow(value, 1 / _M2)
    return 10000 * math.pow(max(root - _C1, 0) / (_C2 - _C3 * root), 1 / _M1)


def to_pq(light: float) -> float:
    """Return the PQ number, 0 to 1, of a light in cd/m²."""
    power = math.pow(light / 10000, _M1)
    return math.pow((_C1 + _C2 * power) / (1 + _C3 * power), _M2)


@lru_cache(maxsize=1)
def _pq_tables() -> tuple[list[float], list[float]]:
    """Return the light of each PQ number (1 is white), and the gain of a pixel with that brightest colour."""
    lights = [from_pq(number / 255) for number in range(256)]
    return [light / REFERENCE_WHITE for light in lights], [_gain(light) for light in lights]


def _pq_shown(picture: Image.Image) -> Image.Image:
    lights, gains = _pq_tables()
    return _dimmed(picture, lights, _brightest(picture).point(gains, "F"))


# --- HLG (ITU-R BT.2100, table 5) ---------------------------------------------------------


def _hlg_shown(picture: Image.Image, primaries: Primaries) -> Image.Image:
    scene = [_hlg_scene(number / 255) for number in range(256)]
    power = _display_power(picture, scene, primaries)
    brightest = _brightest(picture).point(scene, "F")
    # The root of the brightest light fits a table of 256.
    root = ImageMath.lambda_eval(_root, brightest=brightest, power=power).convert("L")
    gains = root.point([_gain(PEAK * (number / 255) ** 2) for number in range(256)], "F")
    gain = ImageMath.lambda_eval(lambda images: images["gains"] * images["power"], gains=gains, power=power)
    return _dimmed(picture, [PEAK / REFERENCE_WHITE * light for light in scene], gain)


def _display_power(picture: Image.Image, scene: list[float], primaries: Primaries) -> Image.Image:
    """Return the factor from the scene's light to a display's, which depends on the scene's luminance."""
    weighted = [
        channel.point([share * light for light in scene], "F")
        for channel, share in zip(picture.split(), luminances(primaries), strict=True)
    ]
    power: Image.Image = ImageMath.lambda_eval(
        lambda images: (images["red"] + images["green"] + images["blue"]) ** (_SYSTEM_GAMMA - 1),
        **dict(zip(("red", "green", "blue"), weighted, strict=True)),
    )
    return power


def _root(images: dict[str, Any]) -> Any:
    return images["int"]((images["brightest"] * images["power"]) ** 0.5 * 255 + 0.5)


def _hlg_scene(value: float) -> float:
    """Return the light of the scene, 0 to 1, of an HLG number."""
    if value <= 0.5:
        return value * value / 3
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return (math.exp((value - c) / a) + b) / 12
