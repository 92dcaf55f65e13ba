"""References: each rendition as it would look without losses to speed or encoding.

A reference is decoded in full, turned upright, converted to sRGB, resized once with Lanczos unless that would
enlarge it, and not encoded. That of an animation is its first frame.

References are stored beside their pictures as arrays of 8-bit RGB or straight RGBA. The thumbnail's reference
has variants: a contender that crops whole pixels is up to half a pixel off, which must not count as a loss.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from math import ceil, floor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pillow_heif
from PIL import Image, ImageCms, ImageOps

from benchmarks.work import Format, Rendition, rendition, renditions_for

Pixels: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

COMPARED_WIDTH = 1280

pillow_heif.register_heif_opener(thumbnails=False)
Image.MAX_IMAGE_PIXELS = None


def load_references(*, source: Path, rendition: Rendition) -> Sequence[Pixels]:
    """Return the reference of a rendition, and its variants if there are any."""
    return list(np.load(reference_path(source=source, rendition=rendition)))


def reference_path(*, source: Path, rendition: Rendition) -> Path:
    """Return the path of a rendition's reference; its format makes no difference."""
    return source.parent / "references" / f"{source.name}-{rendition.width}.npy"


def make_references(sources: list[Path]) -> None:
    """Make the missing references of the pictures, on every core."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_make, sources))


def _make(source: Path) -> None:
    paths = {reference_path(source=source, rendition=one): one for one in renditions_of(source)}
    if all(path.exists() for path in paths):
        return
    picture = upright_srgb(source)
    for path, one in paths.items():
        path.parent.mkdir(exist_ok=True)
        np.save(path, np.stack([np.asarray(variant) for variant in variants(picture, one)]))


def renditions_of(source: Path) -> tuple[Rendition, ...]:
    """Return the renditions that are asked for of a picture."""
    with Image.open(source) as image:
        return renditions_for(image.width)


def compared_rendition(source: Path, format: Format) -> Rendition:
    """Return the rendition whose formats are compared: the large picture of a page."""
    with Image.open(source) as image:
        return rendition(format, width=min(image.width, COMPARED_WIDTH))


def upright_srgb(source: Path) -> Image.Image:
    """Return the picture in full, upright and in sRGB, as RGB or with premultiplied alpha."""
    with Image.open(source) as image:
        whole = ImageOps.exif_transpose(image)
        picture = whole if whole.mode in {"RGB", "RGBA"} else whole.convert("RGB")
        profile = image.info.get("icc_profile")
    if profile:
        source_profile = ImageCms.ImageCmsProfile(BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        ImageCms.profileToProfile(picture, source_profile, srgb, inPlace=True)
    return picture.convert("RGBa") if picture.mode == "RGBA" else picture


def variants(picture: Image.Image, rendition: Rendition) -> Iterator[Image.Image]:
    """Yield the rendition's pixels, of an upright picture; alpha is premultiplied during the resize."""
    width, height = picture.size
    if rendition.height is None:
        yield _resized(picture, (rendition.width, round(rendition.width * height / width)))
        return
    size = rendition.width, rendition.height
    left, top = max(0, width - height) / 2, max(0, height - width) / 2
    yield _resized(picture, size, box=(left, top, width - left, height - top))
    shorter = min(width, height)
    for rounding in (floor, ceil):
        cover = rounding(width * size[0] / shorter), rounding(height * size[1] / shorter)
        whole = _resized(picture, cover)
        for offset in {floor((cover[0] - size[0]) / 2), ceil((cover[0] - size[0]) / 2)}:
            yield whole.crop((offset, 0, offset + size[0], size[1]))


def _resized(
    picture: Image.Image, size: tuple[int, int], *, box: tuple[float, float, float, float] | None = None
) -> Image.Image:
    small = picture.resize(size, Image.Resampling.LANCZOS, box=box)
    return small.convert("RGBA") if small.mode == "RGBa" else small
