"""The pictures to measure, made from a photo of the corpus and kept in `var/benchmarks`.

A photo of 16 megapixels is scaled down to 12, so that every pixel has a camera's detail. Larger pictures get
a little noise, because a mere enlargement would be smooth.
"""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.places import CORPUS, INPUTS

Size = tuple[int, int]

PHOTO = "photos/Kodak_PIXPRO_AZ521.jpg"
DISPLAY_P3 = "colour/p3.png"
SMALL: Size = (4032, 3024)
LARGE: Size = (8064, 6048)
JPEG_QUALITY = 92
# Standard deviation, out of 255: a phone's in good light.
NOISE = 3.0
SOFT_RADIUS = 8
STRIP_ROWS = 256

Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True, slots=True)
class Picture:
    """One input: its file name, its label in tables, and the function that makes it."""

    name: str
    label: str
    make: Callable[[Path], None] = field(repr=False)

    @property
    def path(self) -> Path:
        """Return the path of the picture."""
        return INPUTS / self.name


def make_all(pictures: list[Picture]) -> None:
    """Make the pictures that do not exist yet, on every core."""
    INPUTS.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_make, [picture for picture in pictures if not picture.path.exists()]))


def _make(picture: Picture) -> None:
    """Write the picture under a temporary name first, so that an existing file is always complete."""
    part = picture.path.with_stem(f"{picture.path.stem}-part")
    picture.make(part)
    part.replace(picture.path)


def _jpeg(path: Path, *, size: Size, profile: bool = False, soft: bool = False) -> None:
    options: dict[str, Any] = {"icc_profile": _display_p3()} if profile else {}
    picture = _scene(size)
    if soft:
        picture = picture.filter(ImageFilter.GaussianBlur(SOFT_RADIUS))
    picture.save(path, quality=JPEG_QUALITY, **options)


def _png(path: Path, *, size: Size) -> None:
    """Write a PNG that is transparent at the left and opaque at the right, with a gradient between."""
    picture = _scene(size).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").rotate(90).resize(size))
    picture.save(path, compress_level=6)


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


PICTURES = [
    Picture("jpeg-12.jpg", "12 MP JPEG", partial(_jpeg, size=SMALL)),
    Picture("jpeg-48.jpg", "48 MP JPEG", partial(_jpeg, size=LARGE)),
    Picture("p3-12.jpg", "12 MP, P3", partial(_jpeg, size=SMALL, profile=True)),
    Picture("p3-48.jpg", "48 MP, P3", partial(_jpeg, size=LARGE, profile=True)),
    Picture("soft-12.jpg", "12 MP, soft", partial(_jpeg, size=SMALL, soft=True)),
    Picture("rgba-12.png", "12 MP RGBA PNG", partial(_png, size=SMALL)),
]
_GROWTH_SIZES: dict[str, Size] = {
    "1 MP": (1152, 864),
    "3 MP": (2000, 1500),
    "12 MP": SMALL,
    "48 MP": LARGE,
    "108 MP": (12000, 9000),
    "200 MP": (16320, 12240),
}
GROWTH = [
    Picture(f"growth-{size[0]}.jpg", label, partial(_jpeg, size=size))
    for label, size in _GROWTH_SIZES.items()
]
