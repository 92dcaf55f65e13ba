"""benchmarks.extents: the amount of measurements in a run."""

from pathlib import Path

import pytest
from PIL import Image

from benchmarks.extents import QUICK, SMALLEST, THOROUGH
from benchmarks.inputs import make_all
from benchmarks.work import WIDTHS


def test_only_the_thorough_run_is_published() -> None:
    assert [extent.published for extent in (THOROUGH, QUICK, SMALLEST)] == [True, False, False]


def test_the_smallest_run_measures_one_picture_once() -> None:
    assert len(SMALLEST.pictures) == 1
    assert SMALLEST.growth == []
    assert SMALLEST.plan.most == 1


@pytest.mark.slow
@pytest.mark.usefixtures("corpus")
def test_the_smallest_picture_is_wider_than_every_rendition(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("benchmarks.inputs.INPUTS", tmp_path)
    make_all(list(SMALLEST.pictures))
    with Image.open(SMALLEST.pictures[0].path) as image:
        assert image.width > max(WIDTHS)
