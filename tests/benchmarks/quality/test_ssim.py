"""SSIM: known properties, without a second implementation."""

from typing import Any

import numpy
import pytest

from benchmarks.quality.ssim import ssim


def noise(*, seed: int, height: int = 150, width: int = 90) -> Any:
    return numpy.random.default_rng(seed).uniform(0, 255, (height, width)).astype(numpy.float32)


def direct(first: Any, second: Any) -> float:
    """Return the SSIM of two pictures of the size of one window, by the formula in the paper."""
    offsets = numpy.arange(-5, 6)
    line = numpy.exp(-(offsets**2) / (2 * 1.5**2))
    window = numpy.outer(line, line) / line.sum() ** 2
    mean_1, mean_2 = (window * first).sum(), (window * second).sum()
    variance_1 = (window * (first - mean_1) ** 2).sum()
    variance_2 = (window * (second - mean_2) ** 2).sum()
    covariance = (window * (first - mean_1) * (second - mean_2)).sum()
    c_1, c_2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_1 * mean_2 + c_1) / (mean_1**2 + mean_2**2 + c_1)
    return float(luminance * (2 * covariance + c_2) / (variance_1 + variance_2 + c_2))


def test_ssim_of_equal_pictures_is_one() -> None:
    assert ssim(noise(seed=1), noise(seed=1)) == pytest.approx(1)


def test_ssim_of_different_noise_is_near_zero() -> None:
    assert abs(ssim(noise(seed=1), noise(seed=2))) < 0.1


def test_ssim_is_symmetric() -> None:
    first, second = noise(seed=1), noise(seed=1) * 0.8 + noise(seed=2) * 0.2
    assert ssim(first, second) == pytest.approx(ssim(second, first))


def test_ssim_of_one_window_equals_the_formula() -> None:
    first = noise(seed=1, height=11, width=11)
    second = first * 0.7 + noise(seed=2, height=11, width=11) * 0.3
    assert ssim(first, second) == pytest.approx(direct(first, second), abs=1e-5)


def test_ssim_in_strips_equals_the_mean_of_all_windows() -> None:
    first = noise(seed=1, height=70, width=11)
    second = first * 0.7 + noise(seed=2, height=70, width=11) * 0.3
    windows = [direct(first[top : top + 11], second[top : top + 11]) for top in range(60)]
    assert ssim(first, second) == pytest.approx(sum(windows) / 60, abs=1e-5)
