"""Pillow as tutorials use it: open, turn, convert, resize and save, once for each rendition."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pillow_heif
from PIL import Image, ImageCms, ImageOps

from benchmarks.quality.background import on_white
from benchmarks.work import Rendition

pillow_heif.register_heif_opener()


def prepare(*, source: Path, folder: Path) -> None:
    """Do nothing."""


def render(*, source: Path, folder: Path, renditions: Sequence[Rendition]) -> dict[str, Path]:
    """Write the renditions."""
    return {rendition.name: _render(source, folder, rendition) for rendition in renditions}


def _render(source: Path, folder: Path, rendition: Rendition) -> Path:
    target = folder / rendition.name
    with Image.open(source) as image:
        picture = _resize(_to_srgb(ImageOps.exif_transpose(image)), rendition)
    if rendition.format == "webp":
        picture.save(target, quality=rendition.quality)
    else:
        on_white(picture).save(target, quality=rendition.quality, progressive=True)
    return target


def _to_srgb(picture: Image.Image) -> Image.Image:
    profile = picture.info.pop("icc_profile", None)
    if profile is None:
        return picture
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"))
    assert converted is not None
    converted.info.pop("icc_profile", None)
    return converted


def _resize(picture: Image.Image, rendition: Rendition) -> Image.Image:
    if rendition.height is not None:
        return ImageOps.fit(picture, (rendition.width, rendition.height), Image.Resampling.LANCZOS)
    picture.thumbnail((rendition.width, picture.height), Image.Resampling.LANCZOS)
    return picture
