"""The renderers of one process."""

import os
import signal
from collections.abc import Iterator

import pytest

from processing.renderer import client
from processing.renderer import pool as pools
from processing.renderer.client import Renderer
from processing.renderer.options import Options, RendererDied, RendererUnavailable
from processing.renderer.pool import Pool
from tests.system import wait_until

pytestmark = pytest.mark.slow

OPTIONS = Options()


@pytest.fixture
def pool() -> Iterator[Pool]:
    one = Pool()
    yield one
    one.close()


def lend(pool: Pool, options: Options = OPTIONS, *, seconds: float = 60) -> int:
    """Borrow a renderer and give it back; return its process."""
    with pool.renderer(options, seconds=seconds, cpu_seconds=60) as renderer:
        return renderer.pid


def test_renderer_is_used_again(pool: Pool) -> None:
    assert lend(pool) == lend(pool)


def test_prepared_renderer_is_used(pool: Pool) -> None:
    pool.prepare(OPTIONS)
    (prepared,) = pool._all
    pool.prepare(OPTIONS)
    assert lend(pool) == prepared.pid


def test_dead_renderer_is_replaced(pool: Pool) -> None:
    before = lend(pool)
    (renderer,) = pool._all
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: not renderer.is_alive)
    assert lend(pool) != before
    assert len(pool._all) == 1


def test_renderer_of_other_options_is_replaced(pool: Pool) -> None:
    assert lend(pool) != lend(pool, Options(memory=2 * 1024**3))
    assert len(pool._all) == 1


def test_renderer_yields_the_cpu_as_its_options_say(pool: Pool) -> None:
    # A parent may have niceness itself. 19 is the most.
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, lend(pool)) == own
    nicer = lend(pool, Options(niceness=3))
    assert os.getpriority(os.PRIO_PROCESS, nicer) == min(own + 3, 19)


def test_renderer_is_replaced_after_its_pictures(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.renderer.client._MOST_PICTURES", 2)
    assert lend(pool) == lend(pool)
    assert pool._all == set()


def test_renderer_that_has_grown_is_replaced(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.renderer.client._LARGE", 1)
    lend(pool)
    assert pool._all == set()


def test_renderer_in_the_middle_of_an_answer_is_not_given_to_another(pool: Pool) -> None:
    with pool.renderer(OPTIONS, seconds=60, cpu_seconds=60) as renderer:
        renderer.ask({"do": "describe"})
    assert not renderer.is_alive
    assert pool._all == set()


def test_wait_for_busy_renderers_is_bounded(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_MOST", 1)
    with pool.renderer(OPTIONS, seconds=60, cpu_seconds=60), pytest.raises(RendererUnavailable, match="busy"):
        lend(pool, seconds=0.01)
    lend(pool)


def test_dead_renderer_makes_room(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_MOST", 1)
    with pool.renderer(OPTIONS, seconds=60, cpu_seconds=60) as renderer:
        renderer.ask({"do": "nothing known"})
        with pytest.raises(RendererDied):
            renderer.answer()
    lend(pool)


def test_required_sandbox_that_is_missing_refuses_to_decode(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Renderer, "wait_until_ready", lambda *_: ["seccomp"])
    with pytest.raises(RendererUnavailable, match=r"required.*lacks: seccomp"):
        lend(pool, Options(sandbox="required"))
    assert pool._all == set()
    lend(pool)
    lend(pool)
    assert caplog.text.count("cannot take away: seccomp") == 1


def test_sandbox_can_be_left_out(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    lend(pool, Options(sandbox="off"))
    assert "cannot take away: everything" in caplog.text


def test_renderer_that_starts_slowly_is_kept(pool: Pool) -> None:
    with pytest.raises(RendererUnavailable, match="still starting"):
        lend(pool, seconds=0)
    (renderer,) = pool._all
    assert lend(pool) == renderer.pid


def test_renderer_that_never_starts_is_replaced(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_START_SECONDS", 0)
    with pytest.raises(RendererUnavailable, match="still starting"):
        lend(pool, seconds=0)
    assert pool._all == set()


def test_forked_process_starts_its_own(pool: Pool) -> None:
    mine = lend(pool)
    child = os.fork()
    if child == 0:
        pool.forget()
        own = lend(pool)
        pool.close()
        os._exit(0 if own != mine else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert lend(pool) == mine
