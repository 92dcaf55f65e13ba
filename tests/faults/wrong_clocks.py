"""Hosts whose clocks are wrong: libfaketime shifts the clock of a single process and its children."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Debian's package `libfaketime` installs it in the folder of the machine's architecture.
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def clock_ahead(seconds: int) -> dict[str, str]:
    """Return the variables of a process whose clock is ahead of this machine's, or behind it.

    Its monotonic clock stays right, as on a host with a wrong clock.
    """
    assert LIBRARY is not None
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME": f"{seconds:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "1",
        "PYTHONPATH": str(Path(__file__).parent / "with_wrong_clock"),
    }


@contextmanager
def shared_memory_removed() -> Iterator[None]:
    """Remove what libfaketime shares with child processes: killed processes leave it in the shared memory."""
    before = _shared()
    yield
    for path in _shared() - before:
        path.unlink(missing_ok=True)


def _shared() -> set[Path]:
    return {path for name in ("faketime_shm_*", "sem.faketime_sem_*") for path in Path("/dev/shm").glob(name)}
