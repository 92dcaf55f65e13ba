"""sorl-thumbnail at its own defaults, one thumbnail for each rendition."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from sorl.thumbnail import get_thumbnail

from benchmarks.work import Rendition


def prepare(*, source: Path, folder: Path) -> None:
    """Copy the picture to the storage."""
    shutil.copyfile(source, folder / source.name)


def render(*, source: Path, folder: Path, renditions: Sequence[Rendition]) -> dict[str, Path]:
    """Write the renditions."""
    return {rendition.name: _render(source, folder, rendition) for rendition in renditions}


def _render(source: Path, folder: Path, rendition: Rendition) -> Path:
    options = {"format": rendition.format.upper(), "quality": rendition.quality}
    geometry = str(rendition.width)
    if rendition.height is not None:
        geometry = f"{rendition.width}x{rendition.height}"
        options["crop"] = "center"
    return folder / str(get_thumbnail(source.name, geometry, **options).name)
