"""Darkroom as it runs: both steps, from the stored bytes to the written files, without the rows."""

import hashlib
import shutil
from pathlib import Path

from django.conf import settings

from benchmarks.work import THUMBNAIL_SIDE, WIDTHS, Format
from processing import configuration, originals, renditions, thumbhash
from processing.fingerprint import original_key, public_key
from processing.images import Source, decode
from processing.models import Original
from processing.presets import Preset
from processing.renditions import Recipe

FORMATS: tuple[Format, ...] = ("webp", "jpeg")
THUMBNAIL = Preset(name="thumb", width=THUMBNAIL_SIDE, height=THUMBNAIL_SIDE, mode="fill", formats=("webp",))
SIZES = [Preset(name=f"size-{width}", width=width, formats=FORMATS) for width in WIDTHS]


def prepare(*, source: Path, folder: Path) -> None:
    """Store the original, as the upload has done."""
    target = folder / original_key(_content_hash(source))
    target.parent.mkdir(parents=True)
    shutil.copyfile(source, target)


def render(*, source: Path, folder: Path) -> dict[str, Path]:
    """Do what the two tasks do, one after the other."""
    original = unsaved_original(source)
    first = _decode(original, [THUMBNAIL])
    describe(first)
    thumbnail = _write(original, first, [THUMBNAIL])
    return {**thumbnail, **_write(original, _decode(original, SIZES), SIZES)}


def unsaved_original(source: Path) -> Original:
    """Return the row of the picture, which no database knows."""
    content_hash = _content_hash(source)
    key = public_key(content_hash=content_hash, secret=settings.SECRET_KEY)
    return Original(content_hash=content_hash, public_key=key)


def describe(source: Source) -> None:
    """Do what the first step does before its thumbnail: placeholder and dominant colour."""
    placeholder = source.placeholder()
    thumbhash.encode(width=placeholder.width, height=placeholder.height, rgba=placeholder.rgba)


def recipes_of(presets: list[Preset]) -> list[Recipe]:
    """Return the recipes; unlike in a site, JPEG stays JPEG where there is transparency."""
    return [Recipe(preset, format) for preset in presets for format in preset.formats]


def _decode(original: Original, presets: list[Preset]) -> Source:
    return decode(originals.read(original), presets=presets, limits=configuration.limits())


def _write(original: Original, source: Source, presets: list[Preset]) -> dict[str, Path]:
    recipes = recipes_of(presets)
    rows = renditions.render(original, source, recipes)
    return {
        f"{recipe.preset.width}.{recipe.format}": Path(settings.MEDIA_ROOT) / row.key
        for recipe, row in zip(recipes, rows, strict=True)
    }


def _content_hash(source: Path) -> str:
    """Return what stands for the content hash: the upload has computed that, not the steps."""
    return hashlib.sha256(str(source).encode()).hexdigest()
