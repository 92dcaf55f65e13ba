"""SSIM: the structural similarity of two pictures.

By Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli, "Image quality assessment: from error
visibility to structural similarity", IEEE Transactions on Image Processing 13 (4), 2004: on luminance, with
their Gaussian window of 11 pixels and σ = 1.5, K₁ = 0.01 and K₂ = 0.03.
"""

from typing import Any, TypeAlias

import numpy as np

Pixels: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

_RADIUS = 5
_OFFSETS = np.arange(-_RADIUS, _RADIUS + 1)
_WINDOW = np.exp(-(_OFFSETS**2) / (2 * 1.5**2))
_WEIGHTS = (_WINDOW / _WINDOW.sum()).astype(np.float32)
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
# ITU-R BT.601.
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# Rows processed at once, so that they stay in the processor's cache.
_STRIP_ROWS = 48


def ssim(first: Pixels, second: Pixels) -> float:
    """Return the mean structural similarity of two pictures' luminance, 0 to 255."""
    rows = first.shape[0] - 2 * _RADIUS
    sums = [
        _similarity(first[top : top + height], second[top : top + height]).sum(dtype=np.float64)
        for top in range(0, rows, _STRIP_ROWS)
        for height in [min(_STRIP_ROWS, rows - top) + 2 * _RADIUS]
    ]
    return float(sum(sums) / (rows * (first.shape[1] - 2 * _RADIUS)))


def _similarity(first: Pixels, second: Pixels) -> Pixels:
    """Return the similarity around each pixel whose whole window is inside (the paper's formula 13)."""
    maps = np.stack([first, second, first * first, second * second, first * second])
    mean_1, mean_2, square_1, square_2, product = _blurred(maps)
    variance_1, variance_2 = square_1 - mean_1**2, square_2 - mean_2**2
    covariance = product - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + _C1) / (mean_1**2 + mean_2**2 + _C1)
    structure: Pixels = (2 * covariance + _C2) / (variance_1 + variance_2 + _C2)
    similarity: Pixels = luminance * structure
    return similarity


def _blurred(maps: Pixels) -> Pixels:
    """Return the Gaussian means, along the rows and then along the columns."""
    for axis in (1, 2):
        length = maps.shape[axis] - 2 * _RADIUS
        shifted = [
            maps[:, start : start + length] if axis == 1 else maps[:, :, start : start + length]
            for start in range(2 * _RADIUS + 1)
        ]
        # The window is symmetric: two neighbours at the same distance share a weight.
        total = shifted[_RADIUS] * _WEIGHTS[_RADIUS]
        for distance in range(1, _RADIUS + 1):
            pair = shifted[_RADIUS - distance] + shifted[_RADIUS + distance]
            pair *= _WEIGHTS[_RADIUS + distance]
            total += pair
        maps = total
    return maps
