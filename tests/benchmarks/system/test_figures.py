"""benchmarks.system.figures: what people waited for, and the limits."""

import pytest

from benchmarks.limits import missed
from benchmarks.system.figures import Figures, figures, percentile_95
from benchmarks.system.sender import Sent


def sent(*waits: float) -> list[Sent]:
    """Return photographs that were sent together, and whose sizes were ready ten seconds later."""
    return [Sent(began_at=100, thumbnails_at=100 + wait, ready_at=110 + wait) for wait in waits]


@pytest.fixture
def found() -> Figures:
    return figures(
        alone=sent(0.1, 0.2), batch=sent(1, 2, 3), meanwhile=sent(0.4, 0.5), reprocessing=sent(0.3, 0.4)
    )


def test_batch_counts_from_its_first_request(found: Figures) -> None:
    assert (found.last_thumbnail, found.all_ready) == (3, 13)


def test_limits_compare_the_stages(found: Figures) -> None:
    reached = [limit.reached for limit in found.limits]
    assert reached == [pytest.approx(3 / 13), pytest.approx(0.5), pytest.approx(2)]
    assert [limit.most for limit in found.limits] == [0.3, 1, 2]


def test_missed_limit_is_named() -> None:
    slow = figures(alone=sent(0.1), batch=sent(9), meanwhile=sent(1.5), reprocessing=sent(0.1))
    assert [text.partition(":")[0] for text in missed(slow.limits)] == [
        "last thumbnail of a batch ÷ time until all is ready",
        "another person's thumbnail meanwhile, p95, s",
    ]


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 1), (2, 2), (19, 19), (20, 19), (21, 20), (100, 95), (101, 96)]
)
def test_95_percent_do_not_exceed_the_percentile(count: int, expected: int) -> None:
    assert percentile_95(list(range(count, 0, -1))) == expected
