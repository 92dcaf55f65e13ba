"""The cascade: make every size from the smallest picture that is still large enough."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from processing.images.geometry.reduction import View
from processing.images.geometry.resampling import resampled
from processing.presets import Point, Preset, Resampler, Size, scaled

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
    views: list[View]
    ladder: list[Size]
    resampler: Resampler

    def picture(self, preset: Preset, focus: Point) -> Image.Image:
        """Return the picture for `preset`, cropped around `focus`."""
        target, box = preset.output_size(self.size), preset.crop(self.size, focus)
        view = self._view_for(scaled(self.size, preset.scale(self.size)))
        factor_x, factor_y = view.size[0] / self.size[0], view.size[1] / self.size[1]
        left, top = view.box[:2]
        part = (
            left + box[0] * factor_x,
            top + box[1] * factor_y,
            left + box[2] * factor_x,
            top + box[3] * factor_y,
        )
        return resampled(view.picture, target, box=part, resampler=self.resampler)

    def _view_for(self, target: Size) -> View:
        while self.ladder and self.ladder[0] >= target:
            self._descend(self.ladder.pop(0))
        return self._smallest_for(target)

    def _descend(self, size: Size) -> None:
        base = self._smallest_for(size)
        if _serves(base, size):
            self.views.append(base.resized(size, resampler=self.resampler))

    def _smallest_for(self, target: Size) -> View:
        fitting = [view for view in self.views if view.picture.size == target or _serves(view, target)]
        return fitting[-1] if fitting else self.views[0]


def ladder(size: Size, presets: Sequence[Preset]) -> list[Size]:
    """Return the sizes of the whole picture that are wanted or lead to smaller ones, largest first."""
    sizes = {scaled(size, preset.scale(size)) for preset in presets if preset.mode == "fit"}
    return sorted(sizes, reverse=True)


def first_size(size: Size, presets: Sequence[Preset]) -> tuple[Size, bool]:
    """Return the size of the first picture, and whether that size is exact or a minimum.

    It is exact if the largest preset shows the whole picture. A crop is better cut from a larger picture than
    resized twice.
    """
    if not presets:
        return scaled(size, min(1.0, _SMALLEST / min(size))), False
    largest = max(presets, key=lambda preset: preset.scale(size))
    scale = largest.scale(size)
    if largest.mode == "fit":
        return scaled(size, scale), True
    return scaled(size, min(1.0, scale * _SPARE)), False


def _serves(view: View, target: Size) -> bool:
    return all(have >= want * _SPARE for have, want in zip(view.size, target, strict=True))
