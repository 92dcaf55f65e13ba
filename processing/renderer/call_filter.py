"""The system calls that a renderer may make, as a program for the kernel's seccomp filter.

It may use its memory and threads, tell the time, read what it was given, and answer over its connection. The
kernel refuses everything else with EPERM, for which libraries are prepared.
"""

from collections.abc import Iterator
from struct import pack
from typing import NamedTuple

# The numbers on x86-64 (asm/unistd_64.h) and on aarch64 (asm-generic/unistd.h). aarch64 has no `poll`.
ARCHITECTURES = ("x86_64", "aarch64")
_CALLS = {
    # Reading, and closing.
    "read": (0, 63),
    "readv": (19, 65),
    "pread64": (17, 67),
    "lseek": (8, 62),
    "fstat": (5, 80),
    "close": (3, 57),
    "poll": (7, None),
    "ppoll": (271, 73),
    # Memory.
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "brk": (12, 214),
    "madvise": (28, 233),
    # Threads. `clone` is below.
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "gettid": (186, 178),
    "getpid": (39, 172),
    "exit": (60, 93),
    "exit_group": (231, 94),
    # The name of the current folder, which Pillow asks for.
    "getcwd": (79, 17),
    # Handlers of signals.
    "rt_sigprocmask": (14, 135),
    "rt_sigaction": (13, 134),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    # Time, and random numbers.
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "getrandom": (318, 278),
}
# Allowed only with the connection as their first argument.
_CONNECTION_CALLS = {"sendto": (44, 206), "recvfrom": (45, 207), "recvmsg": (47, 212)}
_FCNTL, _CLONE, _CLONE3, _TGKILL, _PRLIMIT = (72, 25), (56, 220), (435, 435), (234, 131), (302, 261)

# linux/audit.h: the architectures; linux/sched.h; fcntl.h; errno.h of both architectures.
_AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE_THREAD = 0x00010000
_F_DUPFD_CLOEXEC = 1030
EPERM, _ENOSYS = 1, 38
# linux/seccomp.h
_KILL_PROCESS, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
# linux/bpf_common.h: load a word at a fixed offset; compare, or test bits, and jump; return a constant.
LOAD, EQUAL, _ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
# `struct seccomp_data` of linux/seccomp.h: the call, the architecture, and the lower half of the first two
# arguments of 64 bits (both architectures are little-endian).
CALL, _ARCHITECTURE, _FIRST, SECOND = 0, 4, 16, 24


class Rule(NamedTuple):
    """A call that is allowed if one of its arguments, at an offset, has a value, or any of these bits."""

    call: int
    argument: int
    test: int
    value: int


def program(*, machine: str, connection: int, process: int) -> list[bytes]:
    """Return the filter's instructions for a process whose connection has this descriptor."""
    column = ARCHITECTURES.index(machine)
    calls = [number for numbers in _CALLS.values() if (number := numbers[column]) is not None]
    rules = [
        *(Rule(numbers[column], _FIRST, EQUAL, connection) for numbers in _CONNECTION_CALLS.values()),
        # `mmap` of Python duplicates its descriptor.
        Rule(_FCNTL[column], SECOND, EQUAL, _F_DUPFD_CLOEXEC),
        # A thread, but no process.
        Rule(_CLONE[column], _FIRST, _ANY_BIT, _CLONE_THREAD),
        # Its own limits. It cannot raise them beyond the ones that it has set for good.
        Rule(_PRLIMIT[column], _FIRST, EQUAL, 0),
        # `abort` sends the process itself a signal.
        Rule(_TGKILL[column], _FIRST, EQUAL, process),
    ]
    return [
        instruction(LOAD, _ARCHITECTURE),
        instruction(EQUAL, _AUDIT_ARCHITECTURES[machine], if_true=1),
        instruction(RETURN, _KILL_PROCESS),
        instruction(LOAD, CALL),
        *(one for number in calls for one in returned_for(number, ALLOW)),
        # The arguments of `clone3` are in memory, where no filter can look. libc then calls `clone`.
        *returned_for(_CLONE3[column], ERRNO | _ENOSYS),
        *(one for rule in rules for one in _checked(rule)),
        instruction(RETURN, ERRNO | EPERM),
    ]


def returned_for(number: int, action: int) -> Iterator[bytes]:
    """Yield the instructions that end with this action if the loaded word is this number."""
    yield instruction(EQUAL, number, if_false=1)
    yield instruction(RETURN, action)


def _checked(rule: Rule) -> Iterator[bytes]:
    yield instruction(EQUAL, rule.call, if_false=4)
    yield instruction(LOAD, rule.argument)
    yield instruction(rule.test, rule.value, if_false=1)
    yield instruction(RETURN, ALLOW)
    yield instruction(RETURN, ERRNO | EPERM)


def instruction(code: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    """Return a `struct sock_filter` of linux/filter.h; the jumps count the instructions to skip."""
    return pack("=HBBI", code, if_true, if_false, value)
