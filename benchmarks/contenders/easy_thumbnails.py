"""easy-thumbnails at its own defaults, one thumbnail for each rendition, without its tables."""

from collections.abc import Sequence
from pathlib import Path

from easy_thumbnails.files import get_thumbnailer

from benchmarks.work import Rendition


def prepare(*, source: Path, folder: Path) -> None:
    """Do nothing."""


def render(*, source: Path, folder: Path, renditions: Sequence[Rendition]) -> dict[str, Path]:
    """Write the renditions."""
    return {rendition.name: _render(source, folder, rendition) for rendition in renditions}


def _render(source: Path, folder: Path, rendition: Rendition) -> Path:
    options = {"size": (rendition.width, rendition.height or 0), "quality": rendition.quality}
    if rendition.height is not None:
        options["crop"] = True
    if rendition.format == "jpeg":
        options["replace_alpha"] = "#fff"
    with source.open("rb") as file:
        thumbnailer = get_thumbnailer(file, relative_name=source.name)
        thumbnailer.thumbnail_extension = rendition.format
        thumbnailer.thumbnail_transparency_extension = rendition.format
        thumbnail = thumbnailer.generate_thumbnail(options)
        name = thumbnailer.thumbnail_storage.save(thumbnail.name, thumbnail)
    return folder / str(name)
