"""The arithmetic of measurements."""

import pytest

from benchmarks.measurements import (
    MEBIBYTE,
    Measurement,
    Quality,
    Results,
    Target,
    geometric_mean,
    mean_ratios,
    rounds_for,
    targets,
)


def measured(contender: str, picture: str, *, cpu: float, ssim: float = 0.98, size: int = 100) -> Measurement:
    return Measurement(
        contender=contender,
        picture=picture,
        cpu=cpu,
        wall=2 * cpu,
        peak=100 * MEBIBYTE,
        idle_peak=60 * MEBIBYTE,
        rounds=1,
        qualities={"320.webp": Quality(size, ssim, 0.1, metadata=False)},
    )


@pytest.fixture
def results() -> Results:
    return Results(
        [
            measured("darkroom", "jpeg-48.jpg", cpu=1, ssim=0.970, size=103),
            measured("darkroom", "rgba-12.png", cpu=2, ssim=0.990, size=99),
            measured("floor", "jpeg-48.jpg", cpu=0.5, ssim=0.974),
            measured("floor", "rgba-12.png", cpu=1, ssim=0.980),
            measured("sharp", "jpeg-48.jpg", cpu=2),
            measured("sharp", "rgba-12.png", cpu=16),
            Measurement(contender="thumbor", picture="jpeg-48.jpg", error="not installed"),
        ]
    )


def test_the_geometric_mean_of_a_half_and_a_double_is_one() -> None:
    assert geometric_mean([0.5, 2]) == pytest.approx(1)


def test_the_geometric_mean_of_nothing_is_nothing() -> None:
    assert geometric_mean([]) is None


@pytest.mark.parametrize(("seconds", "rounds"), [(0.5, 5), (1.3, 3), (3, 1), (100, 1), (0, 5)])
def test_short_work_is_measured_more_often(seconds: float, rounds: int) -> None:
    assert rounds_for(seconds=seconds, budget=4, most=5) == rounds


def test_ratios_are_by_picture(results: Results) -> None:
    ratios = results.ratios(contender="darkroom", other="sharp", figure="cpu")
    assert ratios == {"jpeg-48.jpg": 0.5, "rgba-12.png": 0.125}
    assert geometric_mean(ratios.values()) == pytest.approx(0.25)


def test_who_failed_has_no_ratio_but_is_named(results: Results) -> None:
    assert results.ratios(contender="darkroom", other="thumbor", figure="cpu") == {}
    assert results.failures() == {"thumbor": "not installed"}


def test_the_means_of_everybody_are_told(results: Results) -> None:
    means = mean_ratios(results)
    assert set(means) == {"floor", "sharp", "thumbor"}
    assert means["floor"] == {"cpu": pytest.approx(2), "wall": pytest.approx(2), "peak": pytest.approx(1)}
    assert means["thumbor"] == {"cpu": None, "wall": None, "peak": None}


def test_bytes_are_compared_in_sum(results: Results) -> None:
    ratios = results.byte_ratios(contender="darkroom", other="floor")
    assert ratios == {"jpeg-48.jpg": 1.03, "rgba-12.png": 0.99}


def test_the_worst_picture_counts_for_quality(results: Results) -> None:
    losses = results.quality_losses(contender="darkroom", other="floor")
    assert losses == {"320.webp": pytest.approx(0.004)}


def test_a_target_that_was_not_measured_is_not_met() -> None:
    assert not Target("CPU", None, 1).met
    assert Target("CPU", 1, 1).met
    assert not Target("CPU", 1.01, 1).met


def test_targets_are_the_means_and_the_worst_cases(results: Results) -> None:
    reached = {target.text: target.reached for target in targets(results)}
    assert reached["CPU ÷ sharp as usually used"] == pytest.approx(0.25)
    assert reached["CPU ÷ Pillow as tutorials use it"] is None
    assert reached["peak memory, 48 MP JPEG, MiB"] == 100
    assert reached["SSIM below the reference recipe, worst rendition"] == pytest.approx(0.004)
    assert reached["bytes ÷ the reference recipe, worst picture"] == pytest.approx(1.03)
