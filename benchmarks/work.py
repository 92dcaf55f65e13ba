"""The work that every contender does: nine renditions of one picture.

This module imports only the standard library, because contenders have separate environments.
"""

from dataclasses import dataclass
from typing import Literal

Format = Literal["webp", "jpeg"]

QUALITY: dict[Format, int] = {"webp": 80, "jpeg": 82}
WIDTHS = (1920, 1280, 640, 320)
THUMBNAIL_SIDE = 256
# WebP's effort in the best recipes, the same as in Darkroom's default presets.
EFFORT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """One output: the whole picture `width` wide, or its middle if a height is given too."""

    width: int
    height: int | None = None
    format: Format

    @property
    def name(self) -> str:
        """Return the rendition's name, which is also its file name."""
        return f"{self.width}.{self.format}"

    @property
    def quality(self) -> int:
        """Return the quality that the work asks for."""
        return QUALITY[self.format]


THUMBNAIL = Rendition(width=THUMBNAIL_SIDE, height=THUMBNAIL_SIDE, format="webp")
RENDITIONS = (
    *(Rendition(width=width, format=format) for width in WIDTHS for format in QUALITY),
    THUMBNAIL,
)
