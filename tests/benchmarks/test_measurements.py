"""The arithmetic of measurements."""

import pytest

from benchmarks.measurements import (
    Measurement,
    Quality,
    Results,
    geometric_mean,
    mean_ratios,
    rounds_for,
)


def measured(contender: str, picture: str, *, cpu: float, ssim: float = 0.98, size: int = 100) -> Measurement:
    return Measurement(
        contender=contender,
        picture=picture,
        cpu=cpu,
        wall=2 * cpu,
        peak=100 * 2**20,
        idle_peak=60 * 2**20,
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


def test_geometric_mean_of_half_and_double_is_one() -> None:
    assert geometric_mean([0.5, 2]) == pytest.approx(1)


def test_geometric_mean_of_no_values_is_none() -> None:
    assert geometric_mean([]) is None


@pytest.mark.parametrize(("seconds", "rounds"), [(0.5, 5), (1.3, 3), (3, 1), (100, 1), (0, 5)])
def test_short_tasks_get_more_rounds(seconds: float, rounds: int) -> None:
    assert rounds_for(seconds=seconds, budget=4, most=5) == rounds


def test_ratios_are_computed_for_each_picture(results: Results) -> None:
    ratios = results.ratios(contender="darkroom", other="sharp", figure="cpu")
    assert ratios == {"jpeg-48.jpg": 0.5, "rgba-12.png": 0.125}
    assert geometric_mean(ratios.values()) == pytest.approx(0.25)


def test_failed_contender_has_no_ratio_but_is_listed(results: Results) -> None:
    assert results.ratios(contender="darkroom", other="thumbor", figure="cpu") == {}
    assert results.failures() == {"thumbor": "not installed"}


def test_mean_ratios_include_every_contender(results: Results) -> None:
    means = mean_ratios(results)
    assert set(means) == {"floor", "sharp", "thumbor"}
    assert means["floor"] == {"cpu": pytest.approx(2), "wall": pytest.approx(2), "peak": pytest.approx(1)}
    assert means["thumbor"] == {"cpu": None, "wall": None, "peak": None}


def test_byte_ratios_compare_the_total_of_each_picture(results: Results) -> None:
    ratios = results.byte_ratios(contender="darkroom", other="floor")
    assert ratios == {"jpeg-48.jpg": 1.03, "rgba-12.png": 0.99}


def test_quality_loss_is_that_of_the_worst_picture(results: Results) -> None:
    losses = results.quality_losses(contender="darkroom", other="floor")
    assert losses == {"320.webp": pytest.approx(0.004)}


def test_mean_leaves_animations_out(results: Results) -> None:
    animations = [measured("darkroom", "a.gif", cpu=50), measured("sharp", "a.gif", cpu=1)]
    more = Results([*results.measurements, *animations])
    assert more.ratios(contender="darkroom", other="sharp", figure="cpu")["a.gif"] == 50
    mean = more.mean_ratio(contender="darkroom", other="sharp", figure="cpu")
    assert mean == results.mean_ratio(contender="darkroom", other="sharp", figure="cpu")
