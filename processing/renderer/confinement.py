"""Confinement: a renderer gives up all rights that decoding does not need, before its first file.

Each part works alone, so that a system without one of them still has the others.
"""

import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from math import ceil
from pathlib import Path

from processing.renderer import call_filter, memory, system_calls

# The user without rights of most systems (`nobody`), and its group.
_NOBODY = 65534
# Descriptors: the standard ones, the connection, one file and its copy.
_FILES = 16
# What the kernel ends first when the machine has no memory left (proc(5), oom_score_adj: -1000 to 1000).
_ENDED_EARLY = 500


def set_limits(*, address_space: int) -> None:
    """Set the limits that every Unix has: memory, no core dump, and few open files."""
    memory.limit(address_space)
    for limit, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, _FILES)):
        resource.setrlimit(limit, (value, value))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_ENDED_EARLY))


def limit_cpu(seconds: float) -> None:
    """Have the kernel end this process with SIGXCPU after so many more seconds of CPU time."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (ceil(time.process_time() + seconds), most))


def give_up(*, connection: int) -> list[str]:
    """Give up all rights for good; return what this system cannot take away."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    parts: dict[str, Callable[[], None]] = {
        "another user": _leave_root,
        "the end with its parent": _end_with_parent,
        "no new privileges": system_calls.forbid_new_privileges,
        "Landlock": _forbid_files,
        "seccomp": lambda: _filter_calls(connection),
    }
    failed = []
    for name, part in parts.items():
        try:
            part()
        # A libc without a function raises AttributeError.
        except (OSError, AttributeError):
            failed.append(name)
    return failed


def missing() -> list[str]:
    """Return the parts of the confinement that this system does not have, without giving up anything."""
    parts = {"Landlock": system_calls.landlock_version() > 0, "seccomp": system_calls.has_seccomp()}
    return [name for name, there in parts.items() if not there]


def weakness(sandbox: str) -> str:
    """Return a sentence about the rights that renderers keep on this system, or ""."""
    if sandbox == "off":
        return "RENDERER_SANDBOX is 'off', so decoders keep the rights of the process that starts them."
    if lacks := missing():
        return f"Decoders keep rights that this system cannot take away: it lacks {' and '.join(lacks)}."
    return ""


def _leave_root() -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def _end_with_parent() -> None:
    # After the change of the user, which ends this setting (prctl(2)).
    system_calls.die_with_parent(signal.SIGKILL)


def _forbid_files() -> None:
    version = system_calls.landlock_version()
    # Landlock restricts one thread.
    if not version or _threads() != 1:
        raise OSError("no Landlock")
    system_calls.forbid_files_and_network(version)


def _filter_calls(connection: int) -> None:
    machine = system_calls.machine()
    if not machine:
        raise OSError("unknown system calls")
    system_calls.filter_calls(
        call_filter.program(machine=machine, connection=connection, process=os.getpid())
    )


def _threads() -> int:
    """Return the number of this process's threads; without /proc, assume that there is one."""
    with suppress(OSError):
        return len(list(Path("/proc/self/task").iterdir()))
    return 1
