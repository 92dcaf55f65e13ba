"""Answers of a renderer, checked: a file may have taken it over, so nothing that it says is believed."""

import re
from dataclasses import dataclass
from math import isfinite
from string import Formatter
from typing import Any

from processing.errors import Phrase, Refusal
from processing.images.encoding.encoding import Encoded
from processing.images.encoding.placeholder import PLACEHOLDER_SIDE, Placeholder
from processing.images.reading.header import Header
from processing.images.reading.limits import Limits
from processing.images.reading.metadata import Metadata
from processing.images.reading.refusals import (
    TooManyPixels,
    TooMuchMetadata,
    UnreadableImage,
    UnsupportedFormat,
)
from processing.images.reading.signatures import BEGINNING, formats_of
from processing.presets import Point, Recipe, Size

_REFUSALS: dict[str, type[Refusal]] = {
    kind.code: kind for kind in (TooManyPixels, TooMuchMetadata, UnreadableImage, UnsupportedFormat)
}
_LONGEST_TEXT, _MOST_VALUES = 500, 8
# A database stores neither NUL nor half of a surrogate pair.
_STORABLE = re.compile("[^\0\ud800-\udfff]*")
# The largest number that the database's columns hold.
_LARGEST = 2**31 - 1
# Bytes of a rendition besides its pixels: headers, a credit, and what an incompressible picture adds.
_BESIDES_PIXELS = 1 << 20
_BYTES_PER_PIXEL = 5
LARGEST_PLACEHOLDER = 4 * PLACEHOLDER_SIDE**2


class InvalidAnswer(ValueError):
    """The renderer has answered something else than it was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A decoded original's properties. `pixels` is the bytes of those for `resize_image`, or 0."""

    size: Size
    metadata: Metadata
    truncated: bool
    transparent: bool
    pixels: int


Fields = dict[str, Any]


def header_of(answer: Fields, *, limits: Limits) -> Header:
    """Return the header of an accepted picture."""
    fields = _object(answer, "header")
    format = _text(fields, "format", longest=10)
    if format.upper() not in limits.formats:
        raise InvalidAnswer("the format is not accepted")
    width, height = _size([fields.get("width"), fields.get("height")], limits)
    return Header(format, width, height, _flag(fields, "has_alpha"))


def description_of(answer: Fields, *, limits: Limits) -> Description:
    """Return the description of a decoded original."""
    metadata = _object(answer, "metadata")
    taken_at = None if metadata.get("taken_at") is None else _text(metadata, "taken_at", longest=40)
    return Description(
        size=_size(answer.get("size"), limits),
        metadata=Metadata(
            camera=_text(metadata, "camera"),
            profile=_text(metadata, "profile"),
            frames=_number(metadata, "frames", least=1),
            gps=_flag(metadata, "gps"),
            taken_at=taken_at,
        ),
        truncated=_flag(answer, "truncated"),
        transparent=_flag(answer, "transparent"),
        pixels=_number(answer, "pixels"),
    )


def placeholder_of(answer: Fields, rgba: bytes) -> Placeholder:
    """Return the placeholder."""
    width = _number(answer, "width", least=1, most=PLACEHOLDER_SIDE)
    height = _number(answer, "height", least=1, most=PLACEHOLDER_SIDE)
    color = _text(answer, "color", longest=7)
    if not re.fullmatch("#[0-9a-f]{6}", color) or len(rgba) != 4 * width * height:
        raise InvalidAnswer("the placeholder is invalid")
    return Placeholder(width, height, rgba, color)


def focus_of(answer: Fields) -> Point:
    """Return the focal point."""
    match answer.get("focus"):
        case [float() | int() as left, float() | int() as top] if _is_share(left) and _is_share(top):
            return float(left), float(top)
    raise InvalidAnswer("the focal point is invalid")


def largest_rendition(answer: Fields, *, recipe: Recipe, size: Size, limits: Limits) -> int:
    """Return the most bytes that the announced rendition may have; check its size and its frames."""
    expected = recipe.preset.output_size(size)
    if (_number(answer, "width"), _number(answer, "height")) != expected:
        raise InvalidAnswer("the rendition has another size")
    frames = _number(answer, "frames", least=1, most=limits.frames if recipe.format == "webp" else 1)
    _number(answer, "frames_left_out")
    pixels = expected[0] * expected[1]
    # A tiny animation's frames may be enlarged beyond the budget of pixels. Their bytes stay within it.
    return max(pixels, min(pixels * frames, limits.animation_pixels)) * _BYTES_PER_PIXEL + _BESIDES_PIXELS


def rendition_of(answer: Fields, data: bytes, *, recipe: Recipe) -> Encoded:
    """Return the rendition whose announcement was checked."""
    if recipe.format.upper() not in formats_of(data[:BEGINNING]):
        raise InvalidAnswer("the rendition has another format")
    counts = answer["width"], answer["height"], answer["frames"], answer["frames_left_out"]
    return Encoded(data, *counts, *_seconds(answer))


def refusal_of(answer: Fields) -> Refusal:
    """Return the refusal of a file. Its sentence has only short texts and numbers as values."""
    fields = _object(answer, "refusal")
    kind = _REFUSALS.get(str(fields.get("code")))
    template = _text(fields, "template", longest=_LONGEST_TEXT)
    values = _object(fields, "values")
    phrases = fields.get("phrases")
    if kind is None or not isinstance(phrases, list) or len(values) > _MOST_VALUES:
        raise InvalidAnswer("the refusal is unknown")
    # The constructor of a refusal has arguments of its own.
    if not all(name.isidentifier() and name not in {"self", "template"} for name in values):
        raise InvalidAnswer("a value has an impossible name")
    return _refusal(kind, template, {name: _value(values, name, phrases) for name in values})


def _refusal(kind: type[Refusal], template: str, values: dict[str, str | int]) -> Refusal:
    try:
        names = {(name, spec, conversion) for _, name, spec, conversion in Formatter().parse(template)}
    except ValueError as error:
        raise InvalidAnswer("the sentence is invalid") from error
    # A field such as `{name.__class__}` would show more than the value.
    if not names <= {(None, None, None)} | {(name, "", None) for name in values}:
        raise InvalidAnswer("the sentence has unknown fields")
    return kind(template, **values)


def _value(values: Fields, name: str, phrases: list[Any]) -> str | int:
    if isinstance(values[name], int):
        return _number(values, name, most=2**63)
    text = _text(values, name, longest=_LONGEST_TEXT)
    return Phrase(text) if name in phrases else text


def _size(value: Any, limits: Limits) -> Size:
    match value:
        case [width, height] if all(_is_number(side, 1, limits.side) for side in (width, height)) and (
            width * height <= limits.pixels
        ):
            return width, height
    raise InvalidAnswer("the size is beyond the limits")


def _seconds(answer: Fields) -> tuple[float, float]:
    """Return how long resizing and encoding took, as the renderer says."""
    match answer.get("seconds"):
        case [float() | int() as resize, float() | int() as encode] if _is_time(resize) and _is_time(encode):
            return float(resize), float(encode)
    raise InvalidAnswer("the time is invalid")


def _is_time(value: float) -> bool:
    return isfinite(value) and value >= 0


def _is_share(value: float) -> bool:
    return isfinite(value) and 0 <= value <= 1


def _object(fields: Fields, name: str) -> Fields:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise InvalidAnswer(f"{name} is no object")
    return value


def _text(fields: Fields, name: str, *, longest: int = 200) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or len(value) > longest or not _STORABLE.fullmatch(value):
        raise InvalidAnswer(f"{name} is no text of at most {longest} characters")
    return value


def _number(fields: Fields, name: str, *, least: int = 0, most: int = _LARGEST) -> int:
    value: Any = fields.get(name)
    if not _is_number(value, least, most):
        raise InvalidAnswer(f"{name} is no number from {least} to {most}")
    return int(value)


def _is_number(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _flag(fields: Fields, name: str) -> bool:
    value = fields.get(name)
    if not isinstance(value, bool):
        raise InvalidAnswer(f"{name} is neither true nor false")
    return value
