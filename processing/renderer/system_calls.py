"""The Linux system calls by which a process gives up its rights, called through ctypes.

The packages for Landlock and seccomp are young, or need a library that a server may not have, and a ruleset
without exceptions needs three calls.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Sequence
from struct import pack
from typing import Any

# linux/prctl.h
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
# linux/landlock.h, and asm-generic/unistd.h: the numbers are the same on each architecture.
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
_LANDLOCK_CREATE_RULESET_VERSION = 1
# linux/seccomp.h
_SECCOMP_SET_MODE_FILTER, _SECCOMP_GET_ACTION_AVAIL = 1, 2
_SECCOMP_FILTER_FLAG_TSYNC = 1
_SECCOMP_RET_ERRNO = 0x00050000
# The number of `seccomp` in asm/unistd_64.h (x86-64) and asm-generic/unistd.h (aarch64).
_SECCOMP = {"x86_64": 317, "aarch64": 277}

_libc = ctypes.CDLL(None, use_errno=True)


def machine() -> str:
    """Return the architecture if its system calls are known here, or ""."""
    name = platform.machine()
    return name if sys.platform == "linux" and name in _SECCOMP and sys.maxsize > 2**32 else ""


def die_with_parent(signal: int) -> None:
    """Have the kernel send this process a signal when the thread ends that started it."""
    _prctl(_PR_SET_PDEATHSIG, signal)


def forbid_new_privileges() -> None:
    """Make sure that neither this process nor a program that it starts gets more rights."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # No other process of the same user may look into the memory.
    _prctl(_PR_SET_DUMPABLE, 0)


def landlock_version() -> int:
    """Return the version of Landlock, or 0 without it."""
    if not machine():
        return 0
    version = _call(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_CREATE_RULESET_VERSION)
    return max(0, version)


def forbid_files_and_network(version: int) -> None:
    """Have Landlock refuse every access to a file by its name, and TCP, to the calling thread.

    The bits are those of linux/landlock.h. Each version knows more kinds of access.
    """
    files = {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)
    network = 0b11 if version >= 4 else 0  # bind and connect by TCP
    scopes = 0b11 if version >= 6 else 0  # abstract sockets, and signals to other processes
    rules = pack("=QQQ", (1 << files) - 1, network, scopes)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _checked(_call(_LANDLOCK_CREATE_RULESET, rules, size, 0))
    try:
        _checked(_call(_LANDLOCK_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def has_seccomp() -> bool:
    """Return whether the kernel can filter system calls."""
    if not machine():
        return False
    action = ctypes.c_uint32(_SECCOMP_RET_ERRNO)
    return _call(_SECCOMP[machine()], _SECCOMP_GET_ACTION_AVAIL, 0, ctypes.byref(action)) == 0


class _Program(ctypes.Structure):
    """`struct sock_fprog` of linux/filter.h: the number of instructions, and where they are."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def filter_calls(instructions: Sequence[bytes]) -> None:
    """Have the kernel apply a filter to the system calls of all threads."""
    program = _Program(len(instructions), b"".join(instructions))
    number = _SECCOMP[machine()]
    thread = _checked(
        _call(number, _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC, ctypes.byref(program))
    )
    if thread:
        raise OSError(f"the thread {thread} has another filter")


def _prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero))


def _call(number: int, *arguments: Any) -> int:
    """Make a system call; a register is as long as a `long`."""
    longs = (ctypes.c_long(one) if isinstance(one, int) else one for one in arguments)
    result: int = _libc.syscall(ctypes.c_long(number), *longs)
    return result


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
