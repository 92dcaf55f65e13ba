"""Photos as inputs, made from one photo of the corpus.

A photo of 16 megapixels is scaled down to 12, so that every pixel has a camera's detail. Larger pictures get
a little noise, because a mere enlargement would be smooth.
"""

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.places import CORPUS

Size = tuple[int, int]

PHOTO = "photos/Kodak_PIXPRO_AZ521.jpg"
DISPLAY_P3 = "colour/p3.png"
# An iPhone's: 48 tiles, and a Display P3 profile. x265 takes minutes to make another.
HEIC = "heic/pug.heic"
JPEG_QUALITY = 92
# A site's own export: smaller than a camera's files.
WEB_QUALITY = 85
AVIF_QUALITY = 75
# Standard deviation, out of 255: a phone's in good light.
NOISE = 3.0
SOFT_RADIUS = 8
STRIP_ROWS = 256
FRAMES = 60
FRAME_MILLISECONDS = 50

Image.MAX_IMAGE_PIXELS = None


def jpeg(path: Path, *, size: Size, profile: bool = False, soft: bool = False) -> None:
    """Write a JPEG, with a Display P3 profile or out of focus if asked."""
    options: dict[str, Any] = {"icc_profile": _display_p3()} if profile else {}
    picture = _scene(size)
    if soft:
        picture = picture.filter(ImageFilter.GaussianBlur(SOFT_RADIUS))
    picture.save(path, quality=JPEG_QUALITY, **options)


def transparent_png(path: Path, *, size: Size) -> None:
    """Write a PNG that is transparent at the left and opaque at the right, with a gradient between."""
    picture = _scene(size).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").rotate(90).resize(size))
    picture.save(path, compress_level=6)


def heic(path: Path) -> None:
    """Copy a phone's HEIC from the corpus."""
    shutil.copyfile(CORPUS / HEIC, path)


def webp(path: Path, *, size: Size) -> None:
    """Write a WebP as sites export it."""
    _scene(size).save(path, quality=WEB_QUALITY)


def avif(path: Path, *, size: Size) -> None:
    """Write an AVIF as sites export it."""
    _scene(size).save(path, quality=AVIF_QUALITY, speed=8)


def animated_gif(path: Path, *, size: Size) -> None:
    """Write a GIF that pans across the photo, with a palette for each frame."""
    width, height = size
    scene = _scene((2 * width, 2 * height))
    frames = []
    for index in range(FRAMES):
        left, top = index * width // FRAMES, index * height // FRAMES
        frames.append(scene.crop((left, top, left + width, top + height)).quantize())
    frames[0].save(
        path, save_all=True, append_images=frames[1:], duration=FRAME_MILLISECONDS, loop=0, optimize=False
    )


@cache
def _display_p3() -> bytes:
    with Image.open(CORPUS / DISPLAY_P3) as image:
        profile: bytes = image.info["icc_profile"]
    return profile


def _scene(size: Size) -> Image.Image:
    """Return the photo in this size, with a camera's detail in every pixel."""
    with Image.open(CORPUS / PHOTO) as image:
        enlarged = size > image.size
        picture = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    return _noisy(picture) if enlarged else picture


def _noisy(picture: Image.Image) -> Image.Image:
    """Return the picture with seeded noise, strip by strip because it may have 200 megapixels."""
    generator = np.random.default_rng(seed=1)
    for top in range(0, picture.height, STRIP_ROWS):
        box = (0, top, picture.width, min(top + STRIP_ROWS, picture.height))
        strip = np.asarray(picture.crop(box), dtype=np.float32)
        noise = generator.standard_normal(strip.shape, dtype=np.float32) * NOISE
        picture.paste(Image.fromarray((strip + noise).clip(0, 255).astype(np.uint8)), box)
    return picture
