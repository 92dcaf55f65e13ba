"""pyvips as usually used: one `thumbnail` of the file for each rendition, with defaults otherwise."""

from collections.abc import Sequence
from pathlib import Path

import pyvips
from pyvips.voperation import cache_get_max, cache_set_max

from benchmarks.work import Rendition

# Higher than any picture, so that only the width limits it.
UNBOUNDED = 10_000_000


def prepare(*, source: Path, folder: Path) -> None:
    """Clear libvips' cache of the previous round's operations."""
    kept = cache_get_max()
    cache_set_max(0)
    cache_set_max(kept)


def render(*, source: Path, folder: Path, renditions: Sequence[Rendition]) -> dict[str, Path]:
    """Write the renditions."""
    return {rendition.name: _render(source, folder, rendition) for rendition in renditions}


def _profile(source: Path) -> dict[str, str]:
    """Return the option that converts a picture with a profile to sRGB; without one it only costs time."""
    header = pyvips.Image.new_from_file(str(source), access="sequential")
    return {"export_profile": "srgb"} if header.get_typeof("icc-profile-data") else {}


def _render(source: Path, folder: Path, rendition: Rendition) -> Path:
    target = folder / rendition.name
    crop = "none" if rendition.height is None else "centre"
    height = rendition.height or UNBOUNDED
    picture = pyvips.Image.thumbnail(
        str(source), rendition.width, height=height, size="down", crop=crop, **_profile(source)
    )
    if rendition.format == "webp":
        picture.webpsave(str(target), Q=rendition.quality, keep="none")
    else:
        flat = picture.flatten(background=255) if picture.hasalpha() else picture
        flat.jpegsave(str(target), Q=rendition.quality, interlace=True, keep="none")
    return target
