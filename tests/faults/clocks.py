"""Another time for a process: libfaketime (Debian's package `faketime`) moves its clock by some seconds."""

from pathlib import Path

PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/local/lib/faketime")
# It shares its settings with child processes here.
SHARED = Path("/dev/shm")


def library() -> Path | None:
    """Return the library, or None if it is not installed."""
    found = (path for place in PLACES for path in Path("/").glob(f"{place.lstrip('/')}/libfaketimeMT.so.1"))
    return next(found, None)


def clock_variables(offset: int) -> dict[str, str]:
    """Return the variables that move the clock of a new process by so many seconds.

    The steady clock is moved by as much. Without that, Python cannot sleep with this library (0.9.10).
    """
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME": f"{offset:+d}",
        # The files keep the time of the file system.
        "NO_FAKE_STAT": "1",
    }


def remove_shared(pid: int) -> None:
    """Remove what a killed process has left in the shared memory."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        (SHARED / name).unlink(missing_ok=True)
