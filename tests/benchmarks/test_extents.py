"""benchmarks.extents: the amount of measurements in a run."""

from benchmarks.extents import QUICK, SMALLEST, THOROUGH, only


def test_only_the_thorough_run_is_published() -> None:
    assert [extent.published for extent in (THOROUGH, QUICK, SMALLEST)] == [True, False, False]


def test_the_smallest_run_measures_a_still_and_an_animation_once() -> None:
    assert [picture.animated for picture in SMALLEST.pictures] == [False, True]
    assert SMALLEST.growth == SMALLEST.studied == []
    assert SMALLEST.plan.most == 1


def test_animations_are_not_compared_at_equal_quality() -> None:
    assert [picture for picture in THOROUGH.formats if picture.animated] == []
    assert len(THOROUGH.formats) == len(THOROUGH.pictures) - 1


def test_one_picture_can_be_measured_alone() -> None:
    assert [picture.name for picture in only("screenshot.png").pictures] == ["screenshot.png"]
    assert not only("screenshot.png").published
