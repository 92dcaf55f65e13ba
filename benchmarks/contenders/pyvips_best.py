"""pyvips with the best recipe we know: one decode, a cascade, effort 2, one thread."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyvips

from benchmarks.work import EFFORT, Rendition

# Higher than any picture, so that only the width limits it.
UNBOUNDED = 10_000_000
# A picture this many times as wide as the next can be its source without loss.
CASCADE_RATIO = 1.5

pyvips.cache_set_max(0)


def prepare(*, source: Path, folder: Path) -> None:
    """Do nothing."""


def render(*, source: Path, folder: Path, renditions: Sequence[Rendition]) -> dict[str, Path]:
    """Write the renditions."""
    pictures = _cascade(source.read_bytes(), renditions)
    return {
        rendition.name: _save(pictures[rendition.width], rendition, folder / rendition.name)
        for rendition in renditions
    }


def _cascade(data: bytes, renditions: Sequence[Rendition]) -> dict[int, Any]:
    """Return the picture of each width, each made from the smallest that is large enough.

    A picture that was not reduced is large enough for each width.
    """
    original = pyvips.Image.new_from_buffer(data, "").width
    first, *others = [one for one in renditions if one.format == "webp"]
    widest = pyvips.Image.thumbnail_buffer(data, first.width, height=UNBOUNDED, size="down")
    if widest.get_typeof("icc-profile-data"):
        widest = widest.icc_transform("srgb", embedded=True)
    pictures = {first.width: widest.copy_memory()}
    for one in others:
        enough = [width for width in pictures if width >= CASCADE_RATIO * one.width or width == original]
        base = pictures[min(enough, default=first.width)]
        crop = "none" if one.height is None else "centre"
        small = base.thumbnail_image(one.width, height=one.height or UNBOUNDED, size="down", crop=crop)
        pictures[one.width] = small.copy_memory()
    return pictures


def _save(picture: Any, rendition: Rendition, target: Path) -> Path:
    if rendition.format == "webp":
        picture.webpsave(str(target), Q=rendition.quality, effort=EFFORT, keep="none")
    else:
        flat = picture.flatten(background=255) if picture.hasalpha() else picture
        flat.jpegsave(str(target), Q=rendition.quality, interlace=True, keep="none")
    return target
