"""benchmarks.limits: the figures that must be reached, for each picture and on average."""

import pytest

from benchmarks.inputs.pictures import PICTURES
from benchmarks.limits import CAMERA_PICTURES, MEBIBYTE, Limit, limits, missed
from benchmarks.measurements import Measurement, Quality, Results
from benchmarks.quality.equal_bytes import Comparison, EqualBytes, Point


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


def found_in(*measurements: Measurement, equal: EqualBytes | None = None) -> dict[str, Limit]:
    return {limit.name: limit for limit in limits(Results(measurements), equal or {})}


def test_unmeasured_limit_is_not_met() -> None:
    assert not Limit(text="CPU", reached=None, most=1).met
    assert Limit(text="CPU", reached=1, most=1).met
    assert not Limit(text="CPU", reached=1.01, most=1).met


def test_camera_pictures_are_measured() -> None:
    assert set(CAMERA_PICTURES) < {picture.name for picture in PICTURES}


def test_each_still_has_its_own_limits() -> None:
    found = found_in(
        measured("darkroom", "jpeg-3.jpg", cpu=0.8),
        measured("darkroom", "p3-12.jpg", cpu=0.9),
        measured("sharp-best", "jpeg-3.jpg", cpu=1),
        measured("sharp-best", "p3-12.jpg", cpu=1),
    )
    assert found["CPU ÷ sharp, best recipe, 3 MP JPEG"].met
    assert not found["CPU ÷ sharp, best recipe, 12 MP, P3"].met
    assert found["wall ÷ sharp, best recipe, 3 MP JPEG"].most == 0.75
    assert found["CPU ÷ sharp, best recipe, mean"].reached == pytest.approx(0.72**0.5)


def test_floor_has_a_higher_limit_where_colours_are_converted() -> None:
    found = found_in(measured("darkroom", "jpeg-12.jpg", cpu=1), measured("darkroom", "p3-12.jpg", cpu=1))
    assert found["CPU ÷ floor, 12 MP JPEG"].most == 1.15
    assert found["CPU ÷ floor, 12 MP, P3"].most == 1.30


def test_picture_that_a_contender_cannot_read_has_only_the_limit_of_the_floor() -> None:
    found = found_in(measured("darkroom", "phone-12.heic", cpu=1), measured("floor", "phone-12.heic", cpu=1))
    ratios = {name for name in found if "÷" in name and "reference" not in name}
    assert ratios == {"CPU ÷ floor, 12 MP HEIC, P3"}


def test_animation_has_its_own_limit_and_no_other() -> None:
    found = found_in(
        measured("darkroom", "animation.gif", cpu=0.5), measured("sharp-best", "animation.gif", cpu=1)
    )
    assert found["CPU ÷ sharp, best recipe, GIF, 60 frames"] == Limit(
        text="CPU ÷ sharp, best recipe", reached=0.5, most=0.6, picture="GIF, 60 frames"
    )
    assert [name for name in found if "mean" in name] == []


def test_older_limits_are_means_of_the_camera_pictures() -> None:
    found = found_in(
        measured("darkroom", "jpeg-12.jpg", cpu=1),
        measured("darkroom", "jpeg-0.5.jpg", cpu=1),
        measured("sharp", "jpeg-12.jpg", cpu=4),
        measured("sharp", "jpeg-0.5.jpg", cpu=1),
    )
    assert found["CPU ÷ sharp, as usually used, mean of camera pictures"].reached == pytest.approx(0.25)


def test_memory_and_output_have_limits_at_the_worst_picture() -> None:
    found = found_in(
        measured("darkroom", "jpeg-48.jpg", cpu=1, ssim=0.970, size=103),
        measured("darkroom", "rgba-12.png", cpu=2, ssim=0.990, size=99),
        measured("floor", "jpeg-48.jpg", cpu=0.5, ssim=0.974),
        measured("floor", "rgba-12.png", cpu=1, ssim=0.980),
    )
    assert found["peak memory, MiB, 48 MP JPEG"].reached == 100
    assert found["SSIM below the reference recipe, worst rendition"].reached == pytest.approx(0.004)
    assert found["bytes ÷ the reference recipe, worst picture"].reached == pytest.approx(1.03)


def test_bytes_at_equal_quality_are_a_mean_for_each_format() -> None:
    equal: EqualBytes = {
        "a": {"webp": Comparison(Point(200, 70), 100), "avif": Comparison(Point(1, 70), None)},
        "b": {"webp": Comparison(Point(50, 70), 100), "avif": Comparison(Point(1, 70), 1)},
    }
    found = found_in(equal=equal)
    text = "bytes ÷ sharp, best recipe, at equal SSIMULACRA2, {}, mean"
    assert found[text.format("webp")].reached == pytest.approx(1)
    assert found[text.format("avif")].met
    assert not found[text.format("jpeg")].met


def test_missed_limits_are_named_with_both_figures() -> None:
    met = Limit(text="CPU", reached=1, most=1)
    assert missed([met, Limit(text="wall", reached=0.8123, most=0.75, picture="3 MP JPEG")]) == [
        "wall, 3 MP JPEG: 0.8123, must be at most 0.75"
    ]
