"""The memory of a process that decodes: bounded, and not given back between two pictures."""

import ctypes
import resource

# The numbers of mallopt(3) in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
# The most that glibc lets the threshold of mmap be on every version: half a heap of an arena.
_MMAP_BYTES = 32 * 1024**2
_KEPT_BYTES = 256 * 1024**2


def limit(size: int) -> None:
    """Let whoever wants more than `size` bytes of address space fail, rather than the machine."""
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def keep() -> None:
    """Keep up to 256 MiB of freed memory for the next picture.

    glibc's malloc maps pages for every large picture and returns them right after it: fetching
    them anew took a tenth of all CPU. Elsewhere than on glibc nothing is changed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_MMAP_THRESHOLD, _MMAP_BYTES)
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    # An encoder's thread shares what is kept, instead of keeping some of its own.
    mallopt(_ARENA_MAX, 1)
