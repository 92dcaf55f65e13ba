"""The work that every contender does: up to nine renditions of one picture.

This module imports only the standard library, because contenders have separate environments.
"""

from dataclasses import dataclass, replace
from typing import Literal

Format = Literal["webp", "jpeg", "avif"]

QUALITY: dict[Format, int] = {"webp": 80, "jpeg": 82, "avif": 60}
FORMATS: tuple[Format, ...] = ("webp", "jpeg")
WIDTHS = (1920, 1280, 640, 320)
THUMBNAIL_SIDE = 256
# WebP's effort in the best recipes, the same as in Darkroom's default presets.
EFFORT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """One output: the whole picture `width` wide, or its middle if a height is given too.

    `name` is also its file name.
    """

    name: str
    width: int
    height: int | None = None
    format: Format
    quality: int


def rendition(format: Format, *, width: int, height: int | None = None) -> Rendition:
    """Return a rendition of the quality that the work asks for."""
    name = f"{width}.{format}"
    return Rendition(name=name, width=width, height=height, format=format, quality=QUALITY[format])


THUMBNAIL = rendition("webp", width=THUMBNAIL_SIDE, height=THUMBNAIL_SIDE)
RENDITIONS = (
    *(rendition(format, width=width) for width in WIDTHS for format in FORMATS),
    THUMBNAIL,
)


def renditions_for(width: int) -> tuple[Rendition, ...]:
    """Return the renditions of a picture that is `width` wide, from the largest to the thumbnail.

    No picture is enlarged: if a size is wider than the picture, the rendition is as wide as the picture. Only
    the smallest such size is kept, because the others would be equal.
    """
    enough = min((one for one in WIDTHS if one >= width), default=WIDTHS[0])
    return tuple(replace(one, width=min(one.width, width)) for one in RENDITIONS if one.width <= enough)


def is_animation(name: str) -> bool:
    """Return whether the picture with this file name is an animation."""
    return name.endswith(".gif")
