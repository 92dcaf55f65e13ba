"""A worker that kills itself at a given boundary.

It reads lines of "step content_hash boundary" and forks a child for each. The child runs the step and kills
itself at the boundary, without any clean-up, as if memory had run out. The worker prints the child's exit
status, -9 if it was killed.
"""

import os
import signal
import sys
from typing import Any, Literal, NamedTuple, NoReturn

from processing import leases, originals, renditions, steps
from processing.storages.local import LocalStorage


class Boundary(NamedTuple):
    """A call of a step. The worker kills itself before or after it."""

    owner: Any
    name: str
    when: Literal["before", "after"]


BOUNDARIES = {
    "before_the_lease": Boundary(leases, "acquire", "before"),
    "after_the_lease": Boundary(originals, "read", "before"),
    "before_the_first_file_has_its_name": Boundary(LocalStorage, "_publish", "before"),
    "after_the_first_file": Boundary(renditions, "store", "after"),
    "after_the_last_file": Boundary(steps, "_finish", "before"),
    "before_the_commit": Boundary(leases, "end", "after"),
    "after_the_commit": Boundary(steps, "_finish", "after"),
}


def serve() -> None:
    """Run the step of each line on standard input, until that is closed."""
    for line in sys.stdin:
        step, content_hash, boundary = line.split()
        child = os.fork()
        if child == 0:
            _run(step, content_hash, boundary)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _run(step: Any, content_hash: str, boundary: str) -> NoReturn:
    _arm(*BOUNDARIES[boundary])
    steps.run(step=step, content_hash=content_hash)
    os._exit(0)


def _arm(owner: Any, name: str, when: str) -> None:
    call = getattr(owner, name)

    def call_and_die(*args: Any, **kwargs: Any) -> NoReturn:
        if when == "after":
            call(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")

    setattr(owner, name, call_and_die)
