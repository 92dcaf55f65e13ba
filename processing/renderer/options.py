"""Options of a renderer process, and how it may fail."""

from dataclasses import dataclass
from typing import Literal, get_args

from processing.errors import TransientError

# `auto` gives up what this system lets a process give up, `required` refuses to decode without all of it, and
# `off` keeps everything, for systems on which that fails.
Sandbox = Literal["auto", "required", "off"]
SANDBOXES: tuple[Sandbox, ...] = get_args(Sandbox)

# How a file ended its renderer.
Fault = Literal["crashed", "slow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`memory` is the size of the process's address space in bytes.

    `niceness` is what the scheduler adds to that of the parent process (nice(2)).
    """

    memory: int = 4 * 1024**3
    sandbox: Sandbox = "auto"
    niceness: int = 0


class RendererUnavailable(TransientError):
    """There is no renderer: it cannot start, all are busy, or another process has killed it."""


class RendererDied(Exception):
    """A file has ended the renderer: it crashed, exceeded a limit or gave no valid answer."""

    def __init__(self, message: str, *, fault: Fault = "crashed") -> None:
        super().__init__(message)
        self.fault = fault
