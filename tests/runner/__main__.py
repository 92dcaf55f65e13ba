"""Run the tests in parts and report their combined result: `make test`, `make test-fast`.

All parts run, even if one fails. A run has a temporary folder for its files and as its home folder. It fails
if it leaves a file or a process behind, or changes `/dev/null`.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from tests.runner import machine, results
from tests.runner.machine import MARK, Places
from tests.runner.parts import SELECTIONS, Part, Selection
from tests.runner.results import Outcome

ROOT = Path(__file__).resolve().parents[2]
# In memory, fsync costs almost nothing.
MEMORY = Path("/dev/shm")
ROOM = 4 * 1024**3
NO_TESTS = 5
# Seconds between two checks whether a part has ended.
LOOK = 0.1


def main(arguments: Sequence[str]) -> int:
    """Run the parts of the first argument, pass the others to pytest, and return the exit status."""
    name, *options = arguments
    selection = SELECTIONS[name]
    outcomes: list[Outcome] = []
    problems: list[str] = []
    with own_folder() as folder:
        environment = surroundings(folder, keep_home=name == "install")
        places = watched(folder)
        before = places.files()
        try:
            for found, problem in run_lanes(selection, options, folder=folder, environment=environment):
                outcomes += found
                problems += problem
        finally:
            problems += machine.end_leftovers(environment[MARK], folder)
        problems += machine.changes(before, places.files())
    problems += machine.null_problem()
    if not outcomes:
        problems.append("No test was selected.")
    report(outcomes, problems, left_out=selection.left_out)
    return int(bool(problems) or any(outcome.ended == "failed" for outcome in outcomes))


@contextmanager
def own_folder() -> Iterator[Path]:
    """Yield a folder for all files of a run, and remove it at the end."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    folder = Path(tempfile.mkdtemp(prefix="darkroom-", dir=MEMORY if has_room else None))
    # PostgreSQL's user needs access to folders inside.
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def surroundings(folder: Path, *, keep_home: bool) -> dict[str, str]:
    """Return the environment of the tests. Tests that install packages keep the home folder and its caches.

    Hundreds of processes start, so Python may cache compiled modules.
    """
    found = {"TMPDIR": folder / "tmp"} if keep_home else {"TMPDIR": folder / "tmp", "HOME": folder / "home"}
    for path in found.values():
        path.mkdir(mode=0o711)
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, **{name: str(path) for name, path in found.items()}, MARK: folder.name}


def watched(folder: Path) -> Places:
    """Return the places in which nothing may change.

    On a developer's machine, places that other programs or the developer may change are left out.
    """
    always = (Path("/dev"), Path("/etc/passwd"), Path("/etc/group"), Path("/etc/hosts"))
    if os.environ.get("CI") != "true":
        return Places(always, (), folder)
    parts = [path for path in ROOT.iterdir() if path.name not in machine.OWN]
    return Places((*always, *parts), (Path("/tmp"), Path("/var/tmp"), MEMORY), folder)


def run_lanes(
    selection: Selection, options: Sequence[str], *, folder: Path, environment: dict[str, str]
) -> Iterator[tuple[list[Outcome], list[str]]]:
    """Run the parts. Yield the outcomes of each, and a sentence if pytest itself failed.

    The output of a single lane is shown immediately. The output of parallel lanes is shown when each part
    ends.
    """
    lanes = [list(lane) for lane in selection.lanes]
    running: list[tuple[Running, list[Part]]] = []
    try:
        while lanes or running:
            running += [
                (Running(lane.pop(0), options, folder, environment, alone=len(selection.lanes) == 1), lane)
                for lane in lanes
            ]
            time.sleep(LOOK)
            ended = [(part, lane) for part, lane in running if part.has_ended()]
            running = [pair for pair in running if pair not in ended]
            lanes = [lane for _, lane in ended if lane]
            yield from (part.result() for part, _ in ended)
    finally:
        for part, _ in running:
            part.interrupt()


class Running:
    """A part of the tests while it runs."""

    def __init__(
        self, part: Part, options: Sequence[str], folder: Path, environment: dict[str, str], *, alone: bool
    ) -> None:
        self._part = part
        self._report_path = folder / f"{part.name}.xml"
        self._output_path = None if alone else folder / f"{part.name}.txt"
        self._began_at = time.monotonic()
        # The path of a socket may have 107 bytes, and pytest's default folder is long.
        places = (f"--junitxml={self._report_path}", f"--basetemp={folder / part.name[:1]}")
        print(f"\n=== {part.name}: {part.selected} {' '.join(part.options)}", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", *places, "-m", part.selected]
        with self._output_path.open("wb") if self._output_path else nullcontext() as output:
            self._process = subprocess.Popen(
                [*command, *part.options, *options],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
            )

    def has_ended(self) -> bool:
        """Return whether all its tests have run."""
        return self._process.poll() is not None

    def interrupt(self) -> None:
        """Send SIGINT, as Ctrl-C does, and wait until the process ends."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def result(self) -> tuple[list[Outcome], list[str]]:
        """Print the captured output, and return the outcomes and problems."""
        if self._output_path:
            print(self._output_path.read_text(errors="replace"), end="")
        seconds = time.monotonic() - self._began_at
        print(f"=== {self._part.name}: {seconds:.0f} s", flush=True)
        outcomes, status = results.read_report(self._report_path), self._process.returncode
        if status in {0, NO_TESTS} or any(outcome.ended == "failed" for outcome in outcomes):
            return outcomes, []
        return outcomes, [f"The part `{self._part.name}` ended with status {status}."]


def report(outcomes: Sequence[Outcome], problems: Sequence[str], *, left_out: str) -> None:
    """Print the slowest tests, the failed tests, every problem, and the total."""
    print("\nThe slowest tests:", *results.slowest(outcomes), sep="\n")
    failed = [outcome.name for outcome in outcomes if outcome.ended == "failed"]
    print(*(f"FAILED {name}" for name in failed), *(f"PROBLEM {text}" for text in problems), sep="\n")
    print(left_out)
    print(results.total(outcomes, more_failures=len(problems)))


if __name__ == "__main__":
    # SIGTERM raises KeyboardInterrupt, so the run ends the processes that it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
