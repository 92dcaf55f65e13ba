"""A process that does the work on request, and reports the cost.

    python -m benchmarks.worker MODULE FOLDER [PACKAGE ...]

It answers with lines of JSON: first the versions of the packages, then the costs of the renditions that each
input line names, with the path of their picture. This module needs only the standard library.
"""

import importlib
import importlib.metadata
import json
import os
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO, cast

from benchmarks.work import Rendition


class Contender(Protocol):
    """A module that can do the work; `prepare` is not measured."""

    def prepare(self, *, source: Path, folder: Path) -> None:
        """Prepare the empty folder, outside the measurement."""

    def render(self, *, source: Path, folder: Path, renditions: Sequence[Rendition]) -> dict[str, Path]:
        """Write the renditions and return their paths by name."""


def main() -> None:
    """Serve until the input ends."""
    module, folder, *packages = sys.argv[1:]
    answers = _take_standard_output()
    try:
        contender = _load(module)
        _answer(answers, {"versions": {name: importlib.metadata.version(name) for name in packages}})
    except Exception as error:
        _answer(answers, {"error": f"{type(error).__name__}: {error}"})
        raise
    for line in sys.stdin:
        order = json.loads(line)
        renditions = [Rendition(**one) for one in order["renditions"]]
        _answer(answers, _attempt(contender, Path(order["source"]), Path(folder), renditions))


def _take_standard_output() -> TextIO:
    """Return the standard output, and redirect other output to the standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _load(module: str) -> Contender:
    if "DJANGO_SETTINGS_MODULE" in os.environ:
        importlib.import_module("django").setup()
    return cast("Contender", importlib.import_module(f"benchmarks.contenders.{module}"))


def _answer(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _attempt(
    contender: Contender, source: Path, folder: Path, renditions: Sequence[Rendition]
) -> dict[str, Any]:
    try:
        return _measure(contender, source, folder, renditions)
    except Exception as error:  # noqa: BLE001 - a peer may raise anything; it is told in the table
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}


def _measure(
    contender: Contender, source: Path, folder: Path, renditions: Sequence[Rendition]
) -> dict[str, Any]:
    _empty(folder)
    contender.prepare(source=source, folder=folder)
    idle_peak = peak_bytes()
    wall, cpu = time.perf_counter(), cpu_seconds()
    files = contender.render(source=source, folder=folder, renditions=renditions)
    wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    return {
        "wall": wall,
        "cpu": cpu,
        "idle_peak": idle_peak,
        "peak": peak_bytes(),
        "files": {name: str(path) for name, path in files.items()},
    }


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def cpu_seconds() -> float:
    """Return the seconds of CPU, user and system, of this process, its threads and its children.

    The kernel adds a child's to its parent's when it has ended. Until then its own clock has them
    (clock_getcpuclockid(3)).
    """
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    running = sum(time.clock_gettime((~pid << 3) | 2) for pid in _children())
    return time.process_time() + ended.ru_utime + ended.ru_stime + running


def peak_bytes() -> int:
    """Return the peak memory of this process and its running children, or of its largest child if it is more.

    Linux reports it in `/proc` (VmHWM). `ru_maxrss` on Linux also counts the memory of the parent process.
    """
    ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    if not Path("/proc/self/status").exists():
        return max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, ended)
    return max(sum(map(_peak_kibibytes, [os.getpid(), *_children()])), ended) * 1024


def _children() -> list[int]:
    """Return the running child processes (proc(5), children), or none on a system that does not tell."""
    lists = Path("/proc/self/task").glob("*/children")
    return [int(pid) for one in lists for pid in one.read_text().split()]


def _peak_kibibytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
