"""django-pictures at its own defaults; it has no setting for quality, so it saves with Pillow's.

If Celery is installed, its task queues itself. So this module does the task's work directly.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from django.core.files.storage import default_storage
from pictures.models import PillowPicture
from PIL import Image

from benchmarks.work import Rendition


def prepare(*, source: Path, folder: Path) -> None:
    """Copy the picture to the storage."""
    shutil.copyfile(source, folder / source.name)


def render(*, source: Path, folder: Path, renditions: Sequence[Rendition]) -> dict[str, Path]:
    """Write the renditions."""
    pictures = {rendition.name: _picture(source, rendition) for rendition in renditions}
    with default_storage.open(source.name) as file, Image.open(file) as image:
        prepared = PillowPicture.pre_process(image)
        for picture in pictures.values():
            picture.save(prepared)
    return {name: folder / picture.name for name, picture in pictures.items()}


def _picture(source: Path, rendition: Rendition) -> PillowPicture:
    return PillowPicture(
        parent_name=source.name,
        file_type=rendition.format.upper(),
        aspect_ratio=None if rendition.height is None else f"{rendition.width}/{rendition.height}",
        storage=default_storage,
        width=rendition.width,
    )
