"""The files that show that a worker or beat is alive: reading their times costs a probe next to nothing."""

import time
from contextlib import suppress
from pathlib import Path

from processing.conf import darkroom
from uploads.monitoring.processes import MISSED

# Beat publishes a message every five seconds, or every ten if a project has changed the timetable.
_BEAT_PAUSE = 30


def touch(name: str) -> None:
    """Record that a process has just worked; a full disk is the problem of others."""
    if path := _path(name):
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch()


def remove(name: str) -> None:
    """Remove the file of a process that ends."""
    if path := _path(name):
        with suppress(OSError):
            path.unlink()


def idle(name: str) -> float | None:
    """Return for how many seconds a process has not worked, or None if it has no file."""
    path = _path(name)
    try:
        return max(0.0, time.time() - path.stat().st_mtime) if path else None
    except OSError:
        return None


def names() -> list[str]:
    """Return the processes that have a file."""
    folder = darkroom().alive_dir
    return sorted(path.name for path in Path(folder).glob("*@*")) if folder else []


def longest(name: str) -> float:
    """Return the seconds for which a live process may do nothing. A worker's step may take its time limit."""
    missed = MISSED * darkroom().heartbeat
    return max(missed, _BEAT_PAUSE) if name.startswith("beat@") else darkroom().step_time_limit + missed


def _path(name: str) -> Path | None:
    folder = darkroom().alive_dir
    return Path(folder) / name.replace("/", "_") if folder else None
