"""Frames: the parts of an animation, and how each is drawn on the one before."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Literal, TypeVar

from PIL import Image

from processing.images.geometry.reduction import loaded, with_alpha
from processing.images.reading.available import load_available
from processing.images.reading.limits import LEAST_FRAME, Limits, check_size
from processing.presets import Size

# A picture of the whole canvas, RGB or RGBA, and its duration in milliseconds.
Timed = tuple[Image.Image, float]
# The treatment of a patch's area before the next patch is drawn.
Disposal = Literal["keep", "clear", "restore"]
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Film:
    """The frames of an animation that fit the budget of `Limits`; `left_out` counts the others.

    Each call of `start` yields them from the first one. `plays` is the number of times that they are played,
    or 0 for ever.
    """

    plays: int
    count: int
    left_out: int
    start: Callable[[], Iterator[Timed]]


@dataclass(frozen=True, slots=True)
class Patch:
    """The change that a frame of a GIF or APNG makes: a picture of `size` at `place`, for `milliseconds`.

    `file` returns the picture as a separate file. `over` means that it is blended over the canvas; otherwise
    it replaces its area. `whole` is whether all of its pixels are in the file.
    """

    place: tuple[int, int]
    size: Size
    milliseconds: float
    over: bool
    disposal: Disposal
    file: Callable[[], bytes]
    whole: bool = True

    @property
    def extent(self) -> Size:
        """Return the smallest canvas that would show all of it."""
        return self.place[0] + self.size[0], self.place[1] + self.size[1]


def patches_within(
    limits: Limits, parts: Iterator[Part], patch_of: Callable[[Part], Patch], *, canvas: Size
) -> tuple[list[Patch], int]:
    """Return the patches that fit the budget, and the number of the others; the first one always fits.

    Patches after the last one that fits are only counted, because there can be millions. Raises
    `TooManyPixels` if a patch extends beyond the limit of a picture. Honest files have no such patch, and
    other programs would enlarge the canvas to hold it.
    """
    kept: list[Patch] = []
    pixels = 0
    for part in parts:
        patch = patch_of(part)
        pixels += _cost(patch.size, canvas)
        if kept and (pixels > limits.animation_pixels or len(kept) >= limits.frames):
            return kept, 1 + sum(1 for _ in parts)
        check_size(patch.extent, limits=limits)
        kept.append(patch)
    return kept, 0


def composed(patches: Iterable[Patch], *, canvas: Size) -> Iterator[Timed]:
    """Yield the canvas, RGBA, after each patch; it begins transparent.

    A patch is clipped to the canvas, as in browsers.
    """
    picture = Image.new("RGBA", canvas)
    for patch in patches:
        box = _visible(patch, canvas)
        before = picture.crop(box) if patch.disposal == "restore" else None
        _draw(patch, picture, box)
        yield picture.copy(), patch.milliseconds
        if before:
            picture.paste(before, box)
        elif patch.disposal == "clear":
            picture.paste((0, 0, 0, 0), box)


def _cost(size: Size, canvas: Size) -> int:
    return max(size[0] * size[1], canvas[0] * canvas[1], LEAST_FRAME)


def _visible(patch: Patch, canvas: Size) -> tuple[int, int, int, int]:
    left, top = min(patch.place[0], canvas[0]), min(patch.place[1], canvas[1])
    return left, top, min(left + patch.size[0], canvas[0]), min(top + patch.size[1], canvas[1])


def _draw(patch: Patch, picture: Image.Image, box: tuple[int, int, int, int]) -> None:
    width, height = box[2] - box[0], box[3] - box[1]
    if not (width and height):
        return
    with Image.open(BytesIO(patch.file()), formats=("GIF", "PNG")) as image:
        drawn = loaded(image) if patch.whole else load_available(image)
        # Crop first, because most of a hostile frame may be outside the canvas.
        part = with_alpha(drawn if drawn.size == (width, height) else drawn.crop((0, 0, width, height)))
    if patch.over:
        picture.alpha_composite(part, box[:2])
    else:
        picture.paste(part, box)
