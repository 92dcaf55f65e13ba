"""deploy.processes: started processes are kept running, and are gone after they were stopped."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from deploy.errors import CannotStart
from deploy.guard import Guard
from deploy.processes import KeptProcess, Launcher, Program

pytestmark = pytest.mark.slow

# Prints its process id and sleeps. With `stubborn`, it ignores SIGTERM.
SLEEPER = """
import os, signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "parent" in sys.argv:
    print("child", subprocess.Popen(["sleep", "60"]).pid)
print("pid", os.getpid(), flush=True)
time.sleep(60)
"""


class Lines:
    """Replace the log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, *, name: str, text: str) -> None:
        self.lines.append(f"{name}: {text}")

    def note(self, text: str) -> None:
        self.lines.append(text)

    def numbers_after(self, word: str) -> list[int]:
        return [int(line.split()[-1]) for line in self.lines if f" {word} " in line]


Act = Callable[[KeptProcess, Lines], Coroutine[None, None, None]]


def keep_sleeper(tmp_path: Path, act: Act, *words: str) -> Lines:
    """Keep a sleeper running while `act` does something to it."""
    lines = Lines()

    async def scenario() -> None:
        with Guard() as guard:
            launcher = Launcher(folder=tmp_path, log=lines, guard=guard)  # type: ignore[arg-type]
            command = (sys.executable, "-c", SLEEPER, *words)
            kept = KeptProcess(
                program=Program(name="sleeper", command=command, stop_seconds=0.5), launcher=launcher
            )
            kept.start()
            async with asyncio.timeout(20):
                await act(kept, lines)

    asyncio.run(scenario())
    return lines


async def wait_for_starts(lines: Lines, count: int) -> int:
    """Return the process id of the n-th start."""
    while len(lines.numbers_after("pid")) < count:
        await asyncio.sleep(0.01)
    return lines.numbers_after("pid")[count - 1]


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie. Init may take some time to reap zombies."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_ended_process_is_restarted_until_it_is_stopped(tmp_path: Path) -> None:
    async def kill_then_stop(kept: KeptProcess, lines: Lines) -> None:
        first = await wait_for_starts(lines, 1)
        os.kill(first, signal.SIGKILL)
        second = await wait_for_starts(lines, 2)
        assert is_alive(second)
        await kept.stop()
        assert not is_alive(second)

    lines = keep_sleeper(tmp_path, kill_then_stop)
    assert "sleeper ended (signal 9); restarting in 0.5 s" in lines.lines
    assert len(lines.numbers_after("pid")) == 2


def test_orphaned_children_are_ended_before_a_restart(tmp_path: Path) -> None:
    async def kill_the_parent(kept: KeptProcess, lines: Lines) -> None:
        os.kill(await wait_for_starts(lines, 1), signal.SIGKILL)
        await wait_for_starts(lines, 2)
        assert not is_alive(lines.numbers_after("child")[0])
        await kept.stop()

    lines = keep_sleeper(tmp_path, kill_the_parent, "parent")
    assert not any(is_alive(child) for child in lines.numbers_after("child"))


def test_process_that_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    async def stop(kept: KeptProcess, lines: Lines) -> None:
        await wait_for_starts(lines, 1)
        await kept.stop()

    lines = keep_sleeper(tmp_path, stop, "stubborn")
    assert "sleeper did not stop within 0.5 s, so it is killed" in lines.lines
    assert not is_alive(lines.numbers_after("pid")[0])


def test_stop_during_the_pause_before_a_restart_is_immediate(tmp_path: Path) -> None:
    async def stop_in_the_pause(kept: KeptProcess, lines: Lines) -> None:
        os.kill(await wait_for_starts(lines, 1), signal.SIGKILL)
        while not any("restarting" in line for line in lines.lines):
            await asyncio.sleep(0.01)
        await kept.stop()

    assert len(keep_sleeper(tmp_path, stop_in_the_pause).numbers_after("pid")) == 1


def run(tmp_path: Path, program: str) -> str:
    """Run a Python program to its end, and return its output."""

    async def scenario() -> str:
        with Guard() as guard:
            launcher = Launcher(folder=tmp_path, log=Lines(), guard=guard)  # type: ignore[arg-type]
            return await launcher.run(Program(name="it", command=(sys.executable, "-c", program)))

    return asyncio.run(scenario())


def test_output_of_a_program_is_returned(tmp_path: Path) -> None:
    assert run(tmp_path, "print('one'); print('two', end='')") == "one\ntwo"


def test_programs_share_one_session_so_that_niceness_counts_between_them(tmp_path: Path) -> None:
    output = run(tmp_path, "import os; print(os.getsid(0), os.getpgrp() == os.getpid())")
    assert output == f"{os.getsid(0)} True"


def test_line_longer_than_the_buffer_is_split(tmp_path: Path) -> None:
    assert run(tmp_path, "print('x' * 3_000_000)").replace("\n", "") == "x" * 3_000_000


def test_error_of_a_failed_program_contains_its_output(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"`it` failed:\nno database"):
        run(tmp_path, "import sys; print('no database'); sys.exit(3)")
