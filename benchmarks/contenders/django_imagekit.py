"""django-imagekit at its own defaults, one image spec for each rendition."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from imagekit import ImageSpec
from imagekit.processors import ResizeToFill, ResizeToFit

from benchmarks.work import Rendition


def prepare(*, source: Path, folder: Path) -> None:
    """Do nothing."""


def render(*, source: Path, folder: Path, renditions: Sequence[Rendition]) -> dict[str, Path]:
    """Write the renditions."""
    return {rendition.name: _render(source, folder, rendition) for rendition in renditions}


def _render(source: Path, folder: Path, rendition: Rendition) -> Path:
    options: dict[str, Any] = {"quality": rendition.quality}
    if rendition.format == "jpeg":
        options["progressive"] = True
    with source.open("rb") as file:
        spec = ImageSpec(source=file)
        spec.processors = [_processor(rendition)]
        spec.format = rendition.format.upper()
        spec.options = options
        name = default_storage.save(rendition.name, spec.generate())
    return folder / name


def _processor(rendition: Rendition) -> Any:
    if rendition.height is None:
        return ResizeToFit(rendition.width)
    return ResizeToFill(rendition.width, rendition.height)
