"""Kill the supervisor's processes if the supervisor (`deploy.local`) is killed.

A guard is a separate process that holds one end of a pipe. When the supervisor ends for any reason, the
kernel closes the other end, and the guard kills every process group that it watches. Unlike a parent-death
signal, this works on every Unix, and also reaches the pool processes of a Celery worker.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Self


class Guard:
    """Run a guard process that kills the watched process groups if this process dies."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "deploy.guard"],
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def watch(self, group: int) -> None:
        """Have this process group killed when the supervisor is gone."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Stop watching a process group that has ended, because its number may be reused."""
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        # Darkroom keeps running if the guard was killed.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._stdin(), line.encode())

    def _stdin(self) -> int:
        assert self._process.stdin is not None
        return self._process.stdin.fileno()


def kill_group(group: int) -> None:
    """Kill every remaining process of the group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def watch(lines: Iterable[str]) -> None:
    """Read `+group` and `-group` lines to their end, then kill the groups that remain."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        kill_group(group)


if __name__ == "__main__":
    watch(sys.stdin)
