"""The contenders' processes: start one, have it do the work, stop it."""

import json
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from benchmarks.catalog import Contender
from benchmarks.places import ROOT
from benchmarks.work import Rendition

START_SECONDS = 60
WORK_SECONDS = 180


class ContenderFailed(Exception):
    """The contender is not installed, or did not do the work."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one round: seconds, bytes of memory, and the files that it left."""

    cpu: float
    wall: float
    idle_peak: int
    peak: int
    files: dict[str, str]


class Process:
    """A contender's process with a separate folder; use it in a `with` statement."""

    def __init__(self, *, contender: Contender, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._log_path = folder.with_suffix(".log")
        with self._log_path.open("w") as log:
            self._process = _start(contender, folder, log)
        self.versions: dict[str, str] = self._read(START_SECONDS)["versions"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def work(self, source: Path, renditions: Sequence[Rendition]) -> Cost:
        """Have it write the renditions, and return the cost.

        Raises `ContenderFailed`.
        """
        order = {"source": str(source), "renditions": [asdict(one) for one in renditions]}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Cost(**self._read(WORK_SECONDS))

    def _read(self, seconds: float) -> dict[str, Any]:
        """Return its next answer; kill it if that takes too long."""
        timer = threading.Timer(seconds, self._process.kill)
        timer.start()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        timer.cancel()
        if not line:
            self._process.communicate()
            raise ContenderFailed(_reason(self._log_path) or f"no answer in {seconds} s")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            self._process.communicate()
            raise ContenderFailed(_without_folder(answer["error"]))
        return answer


def _start(contender: Contender, folder: Path, log: TextIO) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            contender.command(folder),
            cwd=ROOT,
            env=contender.variables(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    except OSError as error:
        raise ContenderFailed(f"not installed: {error.strerror}") from error


def _reason(log: Path) -> str:
    """Return the last line of the log that mentions an error."""
    lines = [line.strip() for line in log.read_text().splitlines() if "rror" in line]
    return _without_folder(lines[-1]) if lines else ""


def _without_folder(text: str) -> str:
    """Return the text without the path of this folder, because it may be published."""
    return text.replace(f"{ROOT}/", "")
