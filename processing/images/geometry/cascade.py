"""The cascade: make every size from the smallest picture that is still large enough."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from processing.images.geometry.resampling import resampled
from processing.presets import Box, Point, Preset, Resampler, Size, scaled

# A picture must be this many times as large as the next size to be its source. Measured on the SSIM of the
# delivered picture (WebP, quality 80): 1.4 costs at most 0.004, 1.5 at most 0.002. Sizes in common use are
# 1.5 or 2 times one another.
_SPARE = 1.4
# Without renditions, a placeholder is still needed.
_SMALLEST = 64


@dataclass(slots=True)
class Cascade:
    """The reductions of one upright original of `size`, largest first.

    `ladder` holds the sizes of the whole picture that are still to be made. All of them are made, regardless
    of which are asked for and in what order. So a rendition's pixels depend on the original and the presets
    alone.
    """

    size: Size
    pictures: list[Image.Image]
    ladder: list[Size]
    resampler: Resampler

    def picture(self, preset: Preset, focus: Point) -> Image.Image:
        """Return the picture for `preset`, cropped around `focus`."""
        whole = self._picture_for(scaled(self.size, preset.scale(self.size)))
        box = _part(preset.crop(self.size, focus), self.size, whole.size)
        return resampled(whole, preset.output_size(self.size), box=box, resampler=self.resampler)

    def _picture_for(self, target: Size) -> Image.Image:
        while self.ladder and self.ladder[0] >= target:
            self._descend(self.ladder.pop(0))
        return self._smallest_for(target)

    def _descend(self, size: Size) -> None:
        base = self._smallest_for(size)
        if _serves(base, size):
            self.pictures.append(resampled(base, size, resampler=self.resampler))

    def _smallest_for(self, target: Size) -> Image.Image:
        fitting = [picture for picture in self.pictures if picture.size == target or _serves(picture, target)]
        return fitting[-1] if fitting else self.pictures[0]


def ladder(size: Size, presets: Sequence[Preset]) -> list[Size]:
    """Return the sizes of the whole picture that are wanted or lead to smaller ones, largest first."""
    sizes = {scaled(size, preset.scale(size)) for preset in presets if preset.mode == "fit"}
    return sorted(sizes, reverse=True)


def first_size(size: Size, presets: Sequence[Preset]) -> Size:
    """Return the size of the first picture: that of the largest preset.

    A crop is cut from a larger picture, because it is resampled once more.
    """
    if not presets:
        return scaled(size, min(1.0, _SMALLEST / min(size)))
    largest = max(presets, key=lambda preset: preset.scale(size))
    spare = _SPARE if largest.mode == "fill" else 1.0
    return scaled(size, min(1.0, largest.scale(size) * spare))


def _part(box: Box, size: Size, reduced: Size) -> Box:
    """Return the place, in a reduced picture, of a part of the whole picture of `size`."""
    left, top, right, bottom = box
    (width, height), (across, down) = size, reduced
    return left * across / width, top * down / height, right * across / width, bottom * down / height


def _serves(picture: Image.Image, target: Size) -> bool:
    return all(have >= want * _SPARE for have, want in zip(picture.size, target, strict=True))
