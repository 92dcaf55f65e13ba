"""The memory of a process that decodes: limited, and kept between pictures."""

import ctypes
import resource

# The numbers of mallopt(3) in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
# The largest mmap threshold that every glibc version accepts: half a heap of an arena.
_MMAP_BYTES = 32 * 1024**2
_KEPT_BYTES = 256 * 1024**2


def limit(size: int) -> None:
    """Limit the address space to `size` bytes: the process fails before the machine runs out of memory."""
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def keep() -> None:
    """Keep up to 256 MiB of freed memory for the next picture.

    glibc's malloc maps pages for every large picture and returns them right after it. Mapping them again took
    a tenth of all CPU. Other C libraries are left unchanged.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_MMAP_THRESHOLD, _MMAP_BYTES)
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    # Encoder threads share the kept memory, instead of each keeping its own.
    mallopt(_ARENA_MAX, 1)
