"""Real processes by name, each of which can be started, frozen, continued and killed.

No process is restarted automatically. The test decides what runs.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from deploy.guard import Guard, kill_group
from tests.faults.commands import Commands

ROOT = Path(__file__).resolve().parents[2]


def living() -> Iterator[tuple[int, int, int]]:
    """Yield the process id, the parent and the process group of each process that has not ended."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if state != "Z":
                yield int(folder.name), int(parent), int(group)


class Processes:
    """Run commands by name in one environment. Each command leads a separate process group."""

    def __init__(self, *, folder: Path, commands: Commands, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        # Further variables of single processes, by name.
        self.own_environments: dict[str, dict[str, str]] = {}
        self._commands = commands
        self._guard = Guard()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def launch(self, name: str) -> None:
        """Start a process, unless it runs already or the site has no such process."""
        command = self._commands.of(name)
        if self.runs(name) or not command:
            return
        with self.log(name).open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**self.environment, **self.own_environments.get(name, {}), "PYTHONWARNINGS": "ignore"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self._commands.user_of(name),
            )
        self._guard.watch(process.pid)
        self._processes[name] = process

    def runs(self, name: str) -> bool:
        """Return whether a process was started and has not ended. A frozen process still runs."""
        process = self._processes.get(name)
        return process is not None and process.poll() is None

    def running(self) -> list[str]:
        """Return the names of the running processes."""
        return [name for name in self._processes if self.runs(name)]

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def kill(self, name: str, *, alone: bool = False) -> None:
        """Kill a process and its children, or only the process if `alone`."""
        if self.runs(name):
            process = self._processes[name]
            if alone:
                process.kill()
            else:
                kill_group(process.pid)
                self._guard.forget(process.pid)
            process.wait(timeout=120)

    def end(self, name: str) -> None:
        """Terminate a process, as a deployment does."""
        self._processes[name].terminate()
        self._processes[name].wait(timeout=120)

    def end_database(self) -> None:
        """Shut down the database if it runs. A kill would leave shared memory behind."""
        if self.runs("database"):
            self.go_on("database")
            self._signal("database", signal.SIGINT)
            self._processes["database"].wait(timeout=120)
            self._guard.forget(self.pid("database"))

    def stop(self, name: str) -> None:
        """Freeze a process and its children."""
        self._signal(name, signal.SIGSTOP)
        self._signal_leaders(name, signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        """Let a frozen process go on."""
        self._signal_leaders(name, signal.SIGCONT)
        self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: signal.Signals) -> None:
        assert self.runs(name), f"{name} has ended:\n{self.log_ends()}"
        os.killpg(self.pid(name), number)

    def _signal_leaders(self, name: str, number: signal.Signals) -> None:
        """Signal the children that lead process groups of their own, as PostgreSQL's do."""
        leader = self.pid(name)
        for pid, parent, group in living():
            if parent == leader and group != leader:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def group(self, name: str) -> list[int]:
        """Return the process ids of a process group, without processes that have ended."""
        leader = self.pid(name)
        return sorted(pid for pid, _parent, group in living() if group == leader)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def log_ends(self) -> str:
        """Return the ends of all logs, to explain a failure."""
        logs = [self.log(name) for name in self._processes]
        return "\n".join(f"--- {log.name}\n{log.read_text()[-3000:]}" for log in logs)
