"""Presets and recipes as data, with their size arithmetic."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from re import fullmatch
from typing import Any, Literal, NamedTuple, cast, get_args

Format = Literal["webp", "jpeg", "png", "avif"]
Mode = Literal["fit", "fill"]
# What changes the size of pictures (`processing.images.geometry.resampling`); one for a whole site.
Resampler = Literal["simd", "pillow"]
Size = tuple[int, int]
Box = tuple[float, float, float, float]
# A position in a picture, from the left and from the top, each 0 to 1.
Point = tuple[float, float]

FORMATS: tuple[Format, ...] = get_args(Format)
MODES: tuple[Mode, ...] = get_args(Mode)
RESAMPLERS: tuple[Resampler, ...] = get_args(Resampler)
EXTENSIONS: dict[Format, str] = {"webp": "webp", "jpeg": "jpg", "png": "png", "avif": "avif"}
CONTENT_TYPES: dict[Format, str] = {name: f"image/{name}" for name in FORMATS}
# Presets that fit into this square are thumbnails, which are rendered first.
THUMBNAIL_SIDE = 256
MAX_RENDITION_SIDE = 16383  # WebP's limit: bounds a preset's sides and its output
CENTRE: Point = (0.5, 0.5)
# The format of a URL that names none: the first of these that exists. Every program reads JPEG and PNG.
FALLBACKS: tuple[Format, ...] = ("jpeg", "png", "webp", "avif")
# Stands for the focal point found in the picture, in place of a point that an owner has set.
AUTOMATIC = ""


class InvalidPreset(ValueError):
    """A preset's settings are invalid; the message names the field and the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A named set of rendering options.

    `width` and `height` are pixels of the upright picture; at least one is required. `fit` keeps the whole
    picture within them and never enlarges it. `fill` covers them exactly and crops the rest. `quality` is
    1 to 100 and `effort` 0 to 10; None selects the format's default in `processing.images`. A transparent
    picture is flattened on `background`, as #rrggbb, for JPEG. Without a background, PNG replaces JPEG.
    `keep_credit` is a setting of the whole site, not of a single preset.
    """

    name: str
    width: int | None = None
    height: int | None = None
    mode: Mode = "fit"
    formats: tuple[Format, ...] = ("webp", "jpeg")
    quality: int | None = None
    effort: int | None = None
    background: str | None = None
    keep_credit: bool = False

    @property
    def is_thumbnail(self) -> bool:
        """Return whether the first step renders this preset."""
        sides = self.width or MAX_RENDITION_SIDE, self.height or MAX_RENDITION_SIDE
        return max(sides) <= THUMBNAIL_SIDE

    @property
    def all_formats(self) -> tuple[Format, ...]:
        """Return every format that some original gets, transparent or not."""
        return tuple(dict.fromkeys([*self.formats, *self.formats_for(transparent=True)]))

    def formats_for(self, *, transparent: bool) -> tuple[Format, ...]:
        """Return the formats for an original: transparency rules out JPEG unless there is a background."""
        if self.background or not transparent:
            return self.formats
        return tuple(dict.fromkeys("png" if name == "jpeg" else name for name in self.formats))

    def scale(self, size: Size) -> float:
        """Return the factor by which a whole picture of `size` is scaled before cropping."""
        ratios = [
            bound / side
            for bound, side in zip((self.width, self.height), size, strict=True)
            if bound is not None
        ]
        return max(ratios) if self.mode == "fill" else min(1.0, *ratios, MAX_RENDITION_SIDE / max(size))

    def shows_the_same(self, other: "Preset") -> bool:
        """Return whether two presets show the same part: the whole, or crops of the same aspect ratio."""
        if self.mode == other.mode == "fill":
            return (self.width or 0) * (other.height or 0) == (self.height or 0) * (other.width or 0)
        return self.mode == other.mode

    def output_size(self, size: Size) -> Size:
        """Return the width and height in pixels of the rendition of a picture of `size`."""
        if self.mode == "fill" and self.width and self.height:
            return self.width, self.height
        return scaled(size, self.scale(size))

    def crop(self, size: Size, focus: Point = CENTRE) -> Box:
        """Return the visible part of a picture of `size`, centred on `focus` as far as its edges allow."""
        width, height = size
        if self.mode == "fit" or not (self.width and self.height):
            return 0, 0, width, height
        scale = max(self.width / width, self.height / height)
        seen_width, seen_height = min(width, self.width / scale), min(height, self.height / scale)
        left = min(max(0, focus[0] * width - seen_width / 2), width - seen_width)
        top = min(max(0, focus[1] * height - seen_height / 2), height - seen_height)
        return left, top, left + seen_width, top + seen_height


# How a rendition is framed: the preset and the focal point of its crop.
Framing = tuple[Preset, Point]


class Recipe(NamedTuple):
    """One wanted rendition: a preset in one format.

    `focus` is the focal point of its crop, as `point_text` writes it, or `AUTOMATIC`.
    """

    preset: Preset
    format: Format
    focus: str = AUTOMATIC

    def looks_at(self, found: Point) -> Point:
        """Return the focal point of the crop; `found` is the one detected in the picture."""
        return point_of(self.focus) if self.focus else found


def point_text(point: Point) -> str:
    """Return the canonical text of a point: thousandths from the left and from the top."""
    return ".".join(str(round(share * 1000)) for share in point)


def point_of(text: str) -> Point:
    """Return the point that `point_text` wrote."""
    left, top = (int(thousandths) / 1000 for thousandths in text.split("."))
    return left, top


def scaled(size: Size, scale: float) -> Size:
    """Return `size` times `scale`, rounded half up, each side at least one pixel."""
    return max(1, floor(size[0] * scale + 0.5)), max(1, floor(size[1] * scale + 0.5))


def parse_preset(*, name: str, fields: Mapping[str, Any]) -> Preset:
    """Return the preset that the settings describe.

    Raises `InvalidPreset` with a sentence that names the field.
    """
    unknown = set(fields) - (set(Preset.__dataclass_fields__) - {"name", "keep_credit"})
    if unknown:
        raise InvalidPreset(f"Preset {name!r}: unknown field {min(unknown)!r}.")
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii() or name != name.lower():
        raise InvalidPreset(f"Preset {name!r}: a name may contain only lower-case letters, digits, - and _.")
    preset = Preset(name=name, **{**fields, "formats": tuple(fields.get("formats", ("webp", "jpeg")))})
    _check_size(preset)
    _check_formats(preset)
    _check_range(preset, "quality", 1, 100)
    _check_range(preset, "effort", 0, 10)
    _check_background(preset)
    return preset


def parse_presets(presets: Mapping[str, Mapping[str, Any]]) -> tuple[Preset, ...]:
    """Return all presets of the settings in their order."""
    return tuple(parse_preset(name=name, fields=fields) for name, fields in presets.items())


def _check_size(preset: Preset) -> None:
    if preset.width is None and preset.height is None:
        raise InvalidPreset(f"Preset {preset.name!r}: set a width, a height or both.")
    for field in ("width", "height"):
        value = getattr(preset, field)
        if value is not None and not (isinstance(value, int) and 1 <= value <= MAX_RENDITION_SIDE):
            raise InvalidPreset(
                f"Preset {preset.name!r}: {field} is {value!r}; it must be 1 to {MAX_RENDITION_SIDE} pixels."
            )
    if preset.mode not in MODES:
        raise InvalidPreset(
            f"Preset {preset.name!r}: mode is {cast('str', preset.mode)!r}; use 'fit' or 'fill'."
        )
    if preset.mode == "fill" and not (preset.width and preset.height):
        raise InvalidPreset(f"Preset {preset.name!r}: mode 'fill' needs both width and height.")


def _check_formats(preset: Preset) -> None:
    if not preset.formats:
        raise InvalidPreset(f"Preset {preset.name!r}: list at least one format.")
    for name in preset.formats:
        if name not in FORMATS:
            raise InvalidPreset(
                f"Preset {preset.name!r}: unknown format {name!r}. Known formats: {', '.join(FORMATS)}."
            )


def _check_range(preset: Preset, field: str, lowest: int, highest: int) -> None:
    value = getattr(preset, field)
    if value is not None and not (isinstance(value, int) and lowest <= value <= highest):
        raise InvalidPreset(
            f"Preset {preset.name!r}: {field} is {value!r}; it must be {lowest} to {highest}."
        )


def _check_background(preset: Preset) -> None:
    if preset.background is not None and not fullmatch("#[0-9a-f]{6}", str(preset.background)):
        raise InvalidPreset(
            f"Preset {preset.name!r}: background is {preset.background!r}; "
            "it must be a colour such as '#ffffff'."
        )
