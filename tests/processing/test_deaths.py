"""An original that ends its renderer is tried again, alone, and is then given up."""

from collections.abc import Iterator
from typing import Any

import pytest

from processing import steps
from processing.conf import darkroom
from processing.models import Lease, Original, Rendition
from processing.renderer.options import RendererDied, RendererUnavailable
from processing.renderer.rendering import decode
from processing.signals import step_set_aside
from processing.steps import GaveUp, SetAside
from tests.conftest import assert_storage_matches_rows
from tests.processing.conftest import News, StoreOriginal

STEP: steps.Step = "generate_thumbnails"


@pytest.fixture
def original(store_original: StoreOriginal) -> Original:
    return store_original()


@pytest.fixture
def set_aside() -> Iterator[list[str]]:
    """Return a list of the originals that were set aside."""
    told: list[str] = []

    def tell(*, content_hash: str, **_: Any) -> None:
        told.append(content_hash)

    step_set_aside.connect(tell, weak=False, dispatch_uid="test")
    yield told
    step_set_aside.disconnect(dispatch_uid="test")


def kill(monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> list[Exception]:
    """Let the next decodes fail; return the errors that are left."""
    left = list(errors)

    def fail(*arguments: Any, **options: Any) -> Any:
        if left:
            raise left.pop(0)
        return decode(*arguments, **options)

    monkeypatch.setattr(steps, "decode", fail)
    return left


def run(original: Original, *, alone: bool = False) -> None:
    steps.run(step=STEP, content_hash=original.content_hash, alone=alone)


def test_first_death_sets_the_original_aside(
    original: Original, news: News, set_aside: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(monkeypatch, RendererDied("SIGSEGV"))
    with pytest.raises(SetAside):
        run(original)
    original.refresh_from_db()
    assert (original.deaths, original.fault) == (1, "crashed")
    assert (set_aside, news.failed) == ([original.content_hash], [])
    lease = Lease.objects.get()
    assert lease.expires_at is None
    assert lease.next_attempt_at is not None


def test_second_attempt_waits_until_it_is_alone(
    original: Original, set_aside: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = kill(monkeypatch, RendererDied("SIGSEGV"), RendererDied("SIGSEGV"))
    for _ in range(3):
        with pytest.raises(SetAside):
            run(original)
    # Others publish no further message, and decode nothing.
    assert (len(left), len(set_aside)) == (1, 1)


def test_second_attempt_that_succeeds_clears_the_count(
    original: Original, news: News, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(monkeypatch, RendererDied("SIGSEGV"))
    with pytest.raises(SetAside):
        run(original)
    run(original, alone=True)
    original.refresh_from_db()
    assert (original.deaths, original.fault) == (0, "")
    assert (news.finished, news.failed) == ([STEP], [])
    assert not Lease.objects.exists()
    assert_storage_matches_rows()


@pytest.mark.parametrize(
    ("fault", "sentence"), [("crashed", "The decoder crashed on this file"), ("slow", "takes too long")]
)
def test_second_death_is_final_and_has_a_reason(
    fault: Any, sentence: str, original: Original, news: News, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = kill(monkeypatch, *[RendererDied("it died", fault=fault) for _ in range(3)])
    with pytest.raises(SetAside):
        run(original)
    with pytest.raises(GaveUp, match=sentence):
        run(original, alone=True)
    ((step, refusal),) = news.failed
    assert (step, refusal.code) == (STEP, "processing_failed")
    assert not Lease.objects.exists()
    # Deaths count over reprocessing: nothing is decoded again.
    for alone in (False, True):
        with pytest.raises(GaveUp, match=sentence):
            run(original, alone=alone)
    assert len(left) == 1


def test_death_of_an_original_that_is_done_does_not_matter(
    original: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(original)
    Original.objects.update(deaths=1)
    kill(monkeypatch, RendererDied("SIGSEGV"))
    run(original)
    assert Rendition.objects.exists()


def test_kill_from_outside_is_no_fault_of_the_file(
    original: Original, set_aside: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(monkeypatch, RendererUnavailable("killed"), RendererUnavailable("killed"))
    for _ in range(2):
        with pytest.raises(RendererUnavailable):
            run(original)
    original.refresh_from_db()
    assert (original.deaths, set_aside) == (0, [])
    lease = Lease.objects.get()
    assert (lease.attempts, lease.crashes, lease.expires_at) == (2, 0, None)
    run(original)
    assert not Lease.objects.exists()


def test_renderer_has_less_time_than_its_worker(original: Original, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []

    def note(*_: object, seconds: float, **__: object) -> None:
        given.append(seconds)
        raise RendererUnavailable("enough")

    monkeypatch.setattr(steps, "decode", note)
    with pytest.raises(RendererUnavailable):
        run(original)
    assert 0 < given[0] < 100 < darkroom().step_time_limit
