"""Find the traces of a run: changed files, leftover processes, and a `/dev/null` that is not a device."""

import contextlib
import os
import signal
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

NULL = Path(os.devnull)
# Marks the processes of a run, because each process passes its environment to its children.
MARK = "DARKROOM_TEST_RUN"
# Files that Python, development tools and git write, and file systems below `/dev`.
OWN = {"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".hypothesis", ".git", "pts", "shm"}
# The beginnings of the names that Darkroom, its tests and their programs give to temporary files. Other
# programs on the machine make temporary files too.
TEMPORARY = (
    "darkroom",
    "pytest-",
    "pymp-",
    "org.chromium",
    ".org.chromium",
    "playwright",
    "runtime-",
    "rclone",
    "PostgreSQL.",
    "faketime_shm",
    "sem.faketime_sem",
)
# Seconds that a process may take to end after the tests.
PATIENCE = 10

Files = Mapping[Path, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Places:
    """The places to compare: complete files and folders, and folders of temporary files.

    `folder` belongs to the run.
    """

    whole: tuple[Path, ...]
    temporary: tuple[Path, ...]
    folder: Path

    def files(self) -> Files:
        """Return the mode of each file, with its size and time, or its device number."""
        seen = {path: state for place in self.whole for path, state in self._files_in(place)}
        named = (path for place in self.temporary for path in place.glob("*"))
        return seen | {path: () for path in named if path.name.startswith(TEMPORARY) and path != self.folder}

    def _files_in(self, place: Path) -> Iterator[tuple[Path, tuple[int, ...]]]:
        if not place.is_dir():
            yield place, _seen(place.lstat())
        for root, folders, names in os.walk(place):
            folders[:] = [name for name in folders if name not in OWN]
            for name in names:
                path = Path(root, name)
                with contextlib.suppress(FileNotFoundError):
                    yield path, _seen(path.lstat())


def _seen(status: os.stat_result) -> tuple[int, ...]:
    if stat.S_ISREG(status.st_mode):
        return (status.st_mode, status.st_size, status.st_mtime_ns)
    return (status.st_mode, status.st_rdev)


def changes(before: Files, after: Files) -> list[str]:
    """Return a sentence for each file that was left behind, changed or removed."""
    left = [f"{path} was left behind." for path in after if path not in before]
    removed = [f"{path} was removed." for path in before if path not in after]
    changed = [f"{path} was changed." for path in before if after.get(path, before[path]) != before[path]]
    return sorted([*left, *removed, *changed])


def null_problem(path: Path = NULL) -> list[str]:
    """Return a sentence if `/dev/null` is not a device."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISCHR(path.stat().st_mode):
            return []
    return [f"{path} is no device any more."]


def leftover_processes(mark: str, folder: Path) -> dict[int, str]:
    """Return the command lines of the processes that carry the mark or work in the folder."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # The process has ended, or belongs to another user.
            if int(process.name) != os.getpid() and _belongs(process, mark, folder):
                found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ").strip()
    return found


def _belongs(process: Path, mark: str, folder: Path) -> bool:
    """Return whether a process belongs to the run. Redis overwrites its environment, but not its folder."""
    if f"{MARK}={mark}\0".encode() in (process / "environ").read_bytes():
        return True
    return folder in (process / "cwd").readlink().parents


def end_leftovers(mark: str, folder: Path) -> list[str]:
    """Wait for leftover processes to end, kill the rest, and return a sentence for each."""
    ends_at = time.monotonic() + PATIENCE
    while (left := leftover_processes(mark, folder)) and time.monotonic() < ends_at:
        time.sleep(0.1)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return [f"Process {pid} lived on: {command}" for pid, command in sorted(left.items())]
