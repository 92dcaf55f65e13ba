"""How a renderer may end, and what that is called."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest

from processing.errors import Refusal
from processing.images.reading.refusals import TooManyPixels
from processing.metrics.counters import COUNTERS
from processing.renderer.client import Renderer
from processing.renderer.options import Options, RendererDied, RendererUnavailable
from tests.processing.processes import ROOT
from tests.processing.renderer.starting import started
from tests.system import wait_until

pytestmark = pytest.mark.slow

ORPHAN = """
import os, signal, sys
from time import monotonic
from processing.renderer.client import Renderer
from processing.renderer.options import Options
renderer = Renderer(Options(), module="tests.processing.renderer.failing")
renderer.wait_until_ready(monotonic() + 60)
renderer.begin(deadline=monotonic() + 60, cpu_seconds=60)
renderer.ask({"do": sys.argv[1]})
print(renderer.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    with started("failing") as one:
        yield one


def is_there(pid: int) -> bool:
    """Return whether a process runs; one that has ended and was not waited for does not."""
    with suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    return False


def ended_parent(what: str) -> subprocess.CompletedProcess[str]:
    """Run a process that asks its renderer for something, and is killed before the answer."""
    command = [sys.executable, "-c", ORPHAN, what]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def refused(renderer: Renderer, what: str) -> RendererDied:
    """Return how the renderer died of a request; its process is gone, and was waited for."""
    renderer.ask({"do": what})
    with pytest.raises(RendererDied) as raised:
        renderer.answer()
    assert not Path(f"/proc/{renderer.pid}").exists()
    assert not renderer.can_go_on
    return raised.value


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("segfault", "SIGSEGV"),
        ("abort", "SIGABRT"),
        ("exit", "status 0"),
        ("close", "closed its connection"),
        ("raise", "no valid answer"),
    ],
)
def test_renderer_that_dies_of_its_file_has_crashed(renderer: Renderer, what: str, message: str) -> None:
    death = refused(renderer, what)
    assert death.fault == "crashed"
    assert message in str(death)


def test_endless_loop_ends_with_the_cpu_time() -> None:
    with started("failing", cpu_seconds=0.1) as renderer:
        death = refused(renderer, "loop")
    assert (death.fault, str(death)) == ("slow", "The renderer ended with SIGXCPU.")


def test_hang_ends_with_the_deadline() -> None:
    with started("failing", seconds=0.1) as renderer:
        assert refused(renderer, "sleep").fault == "slow"


def test_lack_of_memory_is_a_refusal_and_the_renderer_goes_on(renderer: Renderer) -> None:
    renderer.ask({"do": "memory"})
    with pytest.raises(TooManyPixels, match="The file needs too much memory"):
        renderer.answer()
    assert renderer.can_go_on


def test_renderer_killed_from_outside_is_unavailable(renderer: Renderer) -> None:
    renderer.ask({"do": "sleep"})
    os.kill(renderer.pid, signal.SIGKILL)
    with pytest.raises(RendererUnavailable):
        renderer.answer()


@pytest.fixture
def _counting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(COUNTERS, "is_on", True)
    COUNTERS.take()


def crashes() -> dict[str, float]:
    return {series.labels[0]: amount for series, amount in COUNTERS.take().items()}


@pytest.mark.usefixtures("_counting")
@pytest.mark.parametrize("what", ["segfault", "close", "raise"])
def test_crash_is_counted(renderer: Renderer, what: str) -> None:
    refused(renderer, what)
    assert crashes() == {"crashed": 1}


@pytest.mark.usefixtures("_counting")
def test_slow_renderer_is_counted() -> None:
    with started("failing", seconds=0.1) as renderer:
        refused(renderer, "sleep")
    assert crashes() == {"slow": 1}


@pytest.mark.usefixtures("_counting")
def test_killed_renderer_is_counted(renderer: Renderer) -> None:
    renderer.ask({"do": "sleep"})
    os.kill(renderer.pid, signal.SIGKILL)
    with pytest.raises(RendererUnavailable):
        renderer.answer()
    assert crashes() == {"killed": 1}


def test_signals_to_the_whole_group_do_not_end_it(renderer: Renderer) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(renderer.pid, number)
    renderer.ask({"do": "answer", "answer": {"still": "here"}})
    assert renderer.answer().header == {"still": "here"}


@pytest.mark.parametrize(
    "answer",
    [
        {"refusal": {"code": "unknown", "template": "", "values": {}, "phrases": []}},
        {"refusal": "no object"},
        {"error": "something"},
    ],
)
def test_answer_that_is_not_valid_ends_the_renderer(renderer: Renderer, answer: object) -> None:
    renderer.ask({"do": "answer", "answer": answer})
    with pytest.raises(RendererDied, match="no valid answer"):
        renderer.answer()
    assert not renderer.is_alive


def test_body_beyond_what_was_asked_is_not_read(renderer: Renderer) -> None:
    renderer.ask({"do": "answer"}, b"much too long")
    with pytest.raises(RendererDied, match="no valid answer"):
        renderer.answer(lambda _: 3)


def test_refusal_arrives_as_it_was(renderer: Renderer) -> None:
    fields = {"code": "unreadable_image", "template": "{name} is damaged.", "phrases": ["name"]}
    renderer.ask({"do": "answer", "answer": {"refusal": {**fields, "values": {"name": "sea.jpg"}}}})
    with pytest.raises(Refusal, match=r"sea\.jpg is damaged\."):
        renderer.answer()
    assert renderer.can_go_on


def test_interrupted_renderer_is_not_used_again(renderer: Renderer) -> None:
    renderer.ask({"do": "answer"})
    assert not renderer.can_go_on


@pytest.mark.parametrize("what", ["sleep", "answer"])
def test_renderer_ends_with_its_parent(what: str) -> None:
    process = ended_parent(what)
    assert process.returncode == -signal.SIGKILL
    wait_until(lambda: not is_there(int(process.stdout)))


def test_renderer_outlives_the_thread_that_asked_for_it() -> None:
    found: list[Renderer] = []
    thread = threading.Thread(target=lambda: found.append(Renderer(Options())))
    thread.start()
    thread.join()
    (renderer,) = found
    try:
        assert renderer.wait_until_ready(monotonic() + 60) == []
        assert renderer.is_alive
    finally:
        renderer.kill()


def test_renderer_has_no_variables_and_no_files_of_its_parent(
    renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path(__file__).open() as secret:
        os.set_inheritable(secret.fileno(), True)
        with started("failing") as other:
            folder = Path(f"/proc/{other.pid}")
            assert (folder / "environ").read_bytes() in {b"", b"LC_CTYPE=C.UTF-8\0"}
            opened = {os.readlink(path) for path in (folder / "fd").iterdir()}
    assert {name.partition(":")[0] for name in opened} == {"/dev/null", "socket"}
