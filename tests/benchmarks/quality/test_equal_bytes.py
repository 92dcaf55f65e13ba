"""benchmarks.quality.equal_bytes: interpolation between a few files of another encoder."""

import pytest

from benchmarks.quality.equal_bytes import LOWEST, MOST_STEPS, Comparison, Point, bytes_at, points_around

POINTS = [Point(100, 60), Point(400, 80), Point(200, 70)]


@pytest.mark.parametrize(("score", "size"), [(60, 100), (70, 200), (65, 141.42), (75, 282.84), (80, 400)])
def test_bytes_are_interpolated_between_the_nearest_scores(score: float, size: float) -> None:
    assert bytes_at(score, POINTS) == pytest.approx(size, abs=0.01)


@pytest.mark.parametrize("score", [59.9, 80.1])
def test_bytes_are_unknown_outside_of_the_scores(score: float) -> None:
    assert bytes_at(score, POINTS) is None
    assert Comparison(Point(100, score), None).ratio is None


def test_ratio_is_darkroom_divided_by_sharp() -> None:
    assert Comparison(Point(103, 70), 100).ratio == pytest.approx(1.03)


@pytest.mark.parametrize(("score", "tried"), [(81, [80, 85]), (72, [80, 75, 70]), (80, [80])])
def test_qualities_are_tried_until_they_enclose_the_score(score: float, tried: list[int]) -> None:
    asked: list[int] = []

    def point_at(quality: int) -> Point:
        asked.append(quality)
        return Point(quality * 10, quality)

    points_around(score, quality=80, point_at=point_at)
    assert asked == tried


@pytest.mark.parametrize("score", [0, 1000])
def test_search_for_an_unreachable_score_ends(score: float) -> None:
    points = points_around(score, quality=80, point_at=lambda quality: Point(quality, quality))
    assert len(points) <= MOST_STEPS
    assert min(point.score for point in points) >= LOWEST
