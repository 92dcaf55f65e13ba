"""`make hostile` reports what does not hold."""

from typing import cast

import pytest

from tests.hostile import people
from tests.hostile.points import Point, Result, table, try_point
from tests.hostile.scene import Scene

NO_SCENE = cast("Scene", None)


def outcome_of(error: Exception | None) -> Result:
    def act(_scene: Scene) -> None:
        if error is not None:
            raise error

    return try_point(Point("A1", "Nothing is lost.", act), NO_SCENE)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (None, "A1   holds    Nothing is lost."),
        (AssertionError("two originals\nare lost"), "A1   BROKEN   Nothing is lost.: two originals are lost"),
        (OSError("no answer"), "A1   BROKEN   Nothing is lost.: OSError('no answer')"),
    ],
)
def test_each_point_is_a_line(error: Exception | None, line: str) -> None:
    assert table([outcome_of(error)]) == line


def test_broken_point_is_an_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        people.conclude([outcome_of(None), outcome_of(AssertionError())], "a │ ERROR b: no\na │ INFO b") == 1
    )
    output = capsys.readouterr().out
    assert output.startswith("a │ ERROR b: no\nA1 ")
    assert output.endswith("1 of 2 points do not hold.\n")


def test_points_that_hold_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert people.conclude([outcome_of(None)], "") == 0
    assert capsys.readouterr().out.endswith("Nothing is lost, and no intruder is in.\n")


def test_selected_points_are_followed_by_the_last_ones() -> None:
    numbers = [point.number for point in people.wanted_points(["--only", "A3", "B2"])]
    assert numbers == ["A3", "B2", "B2", "end", "end"]


def test_every_documented_point_is_tried() -> None:
    wanted = {"A1", "A2", "A3", "A4", "B1", "B2", "B3", "B4", "B5", "B6"}
    assert wanted <= {point.number for point in people.POINTS}
