"""Darkroom as it runs: both steps, from the stored bytes to the written files, without the rows.

A renderer decodes and encodes, as for a worker. Its costs count with those of this process.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

from django.conf import settings

from benchmarks.work import FORMATS, THUMBNAIL_SIDE, WIDTHS, Rendition
from processing import conf, pixel_cache, renditions, steps
from processing.fingerprint import original_key, public_key
from processing.images.encoding import thumbhash
from processing.images.reading.header import read_header
from processing.models import Original
from processing.presets import Preset, Recipe
from processing.renderer import memory
from processing.renderer.pool import POOL
from processing.renderer.rendering import RemoteSource

THUMBNAIL = Preset(name="thumb", width=THUMBNAIL_SIDE, height=THUMBNAIL_SIDE, mode="fill", formats=("webp",))
SIZES = {width: Preset(name=f"size-{width}", width=width, formats=FORMATS) for width in WIDTHS}

settings.DARKROOM = {
    **settings.DARKROOM,
    "PRESETS": {
        preset.name: {
            key: value
            for key, value in asdict(preset).items()
            if key not in {"name", "keep_credit"} and value is not None
        }
        for preset in [THUMBNAIL, *SIZES.values()]
    },
}
conf.forget(setting="DARKROOM")
# As a worker's process does at its start.
memory.keep()
POOL.prepare(conf.renderer_options())


def prepare(*, source: Path, folder: Path) -> None:
    """Store the original, as the upload would have done."""
    target = folder / original_key(_content_hash(source))
    target.parent.mkdir(parents=True)
    shutil.copyfile(source, target)


def render(*, source: Path, folder: Path, renditions: Sequence[Rendition]) -> dict[str, Path]:
    """Do the work of the two tasks, one after the other."""
    original = unsaved_original(source)
    *sizes, thumbnail = renditions
    with steps.opened_source(original=original, step="generate_thumbnails") as first:
        describe(first)
        files = _write(original, first, [thumbnail])
        if first.pixels:
            pixel_cache.put(original, first)
    with steps.opened_source(original=original, step="resize_image") as second:
        return {**files, **_write(original, second, sizes)}


def unsaved_original(source: Path) -> Original:
    """Return an unsaved row for the picture."""
    content_hash = _content_hash(source)
    with source.open("rb") as file:
        header = read_header(file, name=source.name, limits=conf.limits())
    return Original(
        content_hash=content_hash,
        public_key=public_key(content_hash=content_hash, secret=settings.SECRET_KEY),
        format=header.format,
        width=header.width,
        height=header.height,
    )


def describe(source: RemoteSource) -> None:
    """Do what the first step does before its thumbnail: placeholder, dominant colour and focal point.

    The thumbnail is still cut from the middle, because the comparison asks for that.
    """
    source.focus()
    placeholder = source.placeholder()
    thumbhash.encode(width=placeholder.width, height=placeholder.height, rgba=placeholder.rgba)


def _write(original: Original, source: RemoteSource, wanted: Sequence[Rendition]) -> dict[str, Path]:
    # Unlike a site, the benchmark keeps JPEG for transparent pictures.
    rows = renditions.render(original, source, [Recipe(preset_of(one), one.format) for one in wanted])
    return {one.name: Path(settings.MEDIA_ROOT) / row.key for one, row in zip(wanted, rows, strict=True)}


def preset_of(rendition: Rendition) -> Preset:
    """Return the smallest preset that is large enough; it enlarges nothing."""
    if rendition.height is not None:
        return THUMBNAIL
    return next(SIZES[width] for width in sorted(SIZES) if width >= rendition.width)


@cache
def _content_hash(source: Path) -> str:
    """Return the content hash, which the upload computes and not the steps: here once, in the preparation."""
    return hashlib.sha256(source.read_bytes()).hexdigest()
