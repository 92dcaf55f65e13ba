"""End what the supervisor started, should the supervisor itself be killed.

A guard is a process of its own that holds one end of a pipe. However the supervisor ends, the
system closes the other end, and the guard then kills every process group it was told of. Unlike
a parent-death signal this also reaches the pool processes of a Celery worker, on every system.
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
    """Tell a guard process which process groups to kill if this process ends without its help."""

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
        """Leave this process group alone: it has ended, and its number may come to mean another one."""
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        # A guard that somebody killed takes nothing away from those who run.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._stdin(), line.encode())

    def _stdin(self) -> int:
        assert self._process.stdin is not None
        return self._process.stdin.fileno()


def kill_group(group: int) -> None:
    """Kill every process of the group that is still there."""
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
