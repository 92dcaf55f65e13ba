"""The pictures to measure: what people send, made once and kept in `var/benchmarks`."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.inputs.photos import (
    Size,
    animated_gif,
    avif,
    heic,
    jpeg,
    transparent_png,
    webp,
)
from benchmarks.inputs.screenshots import screenshot
from benchmarks.places import INPUTS
from benchmarks.work import is_animation

SMALL: Size = (4032, 3024)
LARGE: Size = (8064, 6048)


@dataclass(frozen=True, slots=True)
class Picture:
    """One input: its file name, its label in tables, and the function that makes it.

    `converted` tells that its colours have to be converted to sRGB.
    """

    name: str
    label: str
    make: Callable[[Path], None] = field(repr=False)
    converted: bool = False

    @property
    def path(self) -> Path:
        """Return the path of the picture."""
        return INPUTS / self.name

    @property
    def kind(self) -> str:
        """Return the file's kind, for example `jpg`."""
        return self.path.suffix.removeprefix(".")

    @property
    def animated(self) -> bool:
        """Return whether it is an animation."""
        return is_animation(self.name)


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


PICTURES = [
    Picture("jpeg-12.jpg", "12 MP JPEG", partial(jpeg, size=SMALL)),
    Picture("jpeg-48.jpg", "48 MP JPEG", partial(jpeg, size=LARGE)),
    Picture("jpeg-3.jpg", "3 MP JPEG", partial(jpeg, size=(2048, 1536))),
    Picture("jpeg-0.5.jpg", "0.5 MP JPEG", partial(jpeg, size=(816, 612))),
    Picture("p3-12.jpg", "12 MP, P3", partial(jpeg, size=SMALL, profile=True), converted=True),
    Picture("p3-48.jpg", "48 MP, P3", partial(jpeg, size=LARGE, profile=True), converted=True),
    Picture("soft-12.jpg", "12 MP, soft", partial(jpeg, size=SMALL, soft=True)),
    Picture("rgba-12.png", "12 MP RGBA PNG", partial(transparent_png, size=SMALL)),
    Picture("screenshot.png", "screenshot PNG", partial(screenshot, size=(2560, 1600))),
    Picture("phone-12.heic", "12 MP HEIC, P3", heic, converted=True),
    Picture("web-3.webp", "3 MP WebP", partial(webp, size=(2048, 1536))),
    Picture("web-3.avif", "3 MP AVIF", partial(avif, size=(2048, 1536))),
    Picture("animation.gif", "GIF, 60 frames", partial(animated_gif, size=(480, 360))),
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
    Picture(f"growth-{size[0]}.jpg", label, partial(jpeg, size=size)) for label, size in _GROWTH_SIZES.items()
]
