"""pyvips with the best recipe we know: one decode, a cascade, effort 2, one thread."""

from pathlib import Path
from typing import Any

import pyvips

from benchmarks.work import EFFORT, RENDITIONS, THUMBNAIL, WIDTHS, Rendition

# Higher than any picture, so that only the width limits it.
UNBOUNDED = 10_000_000
# A picture this many times as wide as the next can be its source without loss.
CASCADE_RATIO = 1.5

pyvips.cache_set_max(0)


def prepare(*, source: Path, folder: Path) -> None:
    """Do nothing."""


def render(*, source: Path, folder: Path) -> dict[str, Path]:
    """Write the nine renditions."""
    pictures = _cascade(source.read_bytes())
    return {
        rendition.name: _save(pictures[rendition.width], rendition, folder / rendition.name)
        for rendition in RENDITIONS
    }


def _cascade(data: bytes) -> dict[int, Any]:
    """Return the picture of each width, each made from the smallest that is large enough."""
    widest = pyvips.Image.thumbnail_buffer(data, WIDTHS[0], height=UNBOUNDED, size="down")
    if widest.get_typeof("icc-profile-data"):
        widest = widest.icc_transform("srgb", embedded=True)
    pictures = {WIDTHS[0]: widest.copy_memory()}
    for width in WIDTHS[1:]:
        base = pictures[min(other for other in pictures if other >= CASCADE_RATIO * width)]
        pictures[width] = base.thumbnail_image(width, height=UNBOUNDED, size="down").copy_memory()
    base = pictures[min(other for other in pictures if other >= CASCADE_RATIO * THUMBNAIL.width)]
    pictures[THUMBNAIL.width] = base.thumbnail_image(THUMBNAIL.width, height=THUMBNAIL.height, crop="centre")
    return pictures


def _save(picture: Any, rendition: Rendition, target: Path) -> Path:
    if rendition.format == "webp":
        picture.webpsave(str(target), Q=rendition.quality, effort=EFFORT, keep="none")
    else:
        flat = picture.flatten(background=255) if picture.hasalpha() else picture
        flat.jpegsave(str(target), Q=rendition.quality, interlace=True, keep="none")
    return target
