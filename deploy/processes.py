"""Start processes, copy their output, restart them when they die, and stop them."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.errors import CannotStart
from deploy.guard import Guard, kill_group
from deploy.log import Log

# Back-off in seconds before a dead process is restarted: the first, and the maximum.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0
# After a process has run this many seconds, its next death resets the back-off.
STEADY_AFTER = 30.0
LONGEST_LINE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Program:
    """A command, and the variables that are added to the supervisor's environment."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    # Seconds between SIGTERM and SIGKILL.
    stop_seconds: float = 15


class Running:
    """A started program, and the task that copies its output."""

    def __init__(
        self, process: asyncio.subprocess.Process, copying: asyncio.Task[None], guard: Guard
    ) -> None:
        self._process = process
        self._copying = copying
        self._guard = guard
        guard.watch(process.pid)

    async def wait(self) -> int:
        """Wait for the end of the process, kill the rest of its group, and return its exit status."""
        status = await self._process.wait()
        kill_group(self._process.pid)
        self._guard.forget(self._process.pid)
        await self._copying
        return status

    def terminate(self) -> None:
        """Ask the process to finish; it is responsible for its own child processes."""
        if self._process.returncode is None:
            self._process.terminate()

    def kill(self) -> None:
        """Kill the process and everything it started."""
        if self._process.returncode is None:
            kill_group(self._process.pid)


class Launcher:
    """Start programs in separate process groups, so that Ctrl-C reaches only the supervisor.

    They share the supervisor's session. Linux divides the CPU between sessions before it looks at niceness
    (autogroup, sched(7)), so `nice` would not count between programs in separate sessions.
    """

    def __init__(self, *, folder: Path, log: Log, guard: Guard) -> None:
        self.log = log
        self._folder = folder
        self._guard = guard

    async def start(self, program: Program, on_line: Callable[[str], None]) -> Running:
        """Start a program and pass each line of its output to `on_line`."""
        # With asyncio's own pipe, waiting for the process would mean waiting for the pipe, which orphans of
        # the process can hold open.
        reading_end, writing_end = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *program.command,
                cwd=self._folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **program.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing_end,
                stderr=asyncio.subprocess.STDOUT,
                process_group=0,
            )
        except BaseException:
            os.close(reading_end)
            raise
        finally:
            os.close(writing_end)
        copying = asyncio.create_task(copy_lines(reading_end, on_line))
        return Running(process=process, copying=copying, guard=self._guard)

    async def run(self, program: Program) -> str:
        """Run a program to its end and return its output.

        Raises CannotStart, with the whole output, if it fails.
        """
        lines: list[str] = []
        running = await self.start(program, lines.append)
        try:
            status = await running.wait()
        except asyncio.CancelledError:
            running.kill()
            await running.wait()
            raise
        output = "\n".join(lines)
        if status != 0:
            raise CannotStart(f"`{program.name}` failed:\n{output}")
        return output


class KeptProcess:
    """Keep a program running: restart it after a pause when it ends unexpectedly."""

    def __init__(self, *, program: Program, launcher: Launcher) -> None:
        self._program = program
        self._launcher = launcher
        self._running: Running | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Start the program and keep it running until `stop`."""
        self._keeping = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """Terminate the program, and kill it after `stop_seconds`."""
        self._stopping.set()
        if self._keeping is None:
            return
        if self._running is not None:
            self._running.terminate()
        try:
            async with asyncio.timeout(self._program.stop_seconds):
                await asyncio.shield(self._keeping)
        except TimeoutError:
            self._note(f"did not stop within {self._program.stop_seconds:g} s, so it is killed")
            self.kill()
            await self._keeping

    def kill(self) -> None:
        """Kill the program, without restarting it."""
        self._stopping.set()
        if self._running is not None:
            self._running.kill()

    async def _keep_running(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            started_at = time.monotonic()
            status = await self._run_once()
            if time.monotonic() - started_at > STEADY_AFTER:
                pause = FIRST_PAUSE
            if not self._stopping.is_set():
                self._note(f"ended ({describe_status(status)}); restarting in {pause:g} s")
                await self._pause(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _run_once(self) -> int:
        self._running = await self._launcher.start(self._program, self._copy_line)
        if self._stopping.is_set():  # `stop` was called while it was starting
            self._running.terminate()
        return await self._running.wait()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _copy_line(self, text: str) -> None:
        self._launcher.log.line(name=self._program.name, text=text)

    def _note(self, text: str) -> None:
        self._launcher.log.note(f"{self._program.name} {text}")


async def copy_lines(reading_end: int, on_line: Callable[[str], None]) -> None:
    """Pass on every line from the pipe until its writers have closed it."""
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading_end, "rb")
    )
    with contextlib.closing(transport):
        while line := await read_line(reader):
            on_line(line.decode(errors="replace").rstrip())


async def read_line(reader: asyncio.StreamReader) -> bytes:
    """Return the next line, in pieces if it is longer than the buffer; b"" at the end."""
    try:
        return await reader.readuntil()
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError:
        return await reader.read(LONGEST_LINE)


def describe_status(status: int) -> str:
    """Describe how a process ended."""
    return f"signal {-status}" if status < 0 else f"status {status}"
