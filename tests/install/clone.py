"""A fresh clone in a temporary folder, and the commands that a developer runs in it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path
from typing import Self

from tests.processing.pictures import CORPUS
from tests.processing.processes import ROOT
from tests.system import wait_until

# A command in the clone inherits only these variables from the environment of the tests.
INHERITED = (
    *("PATH", "HOME", "USER", "LANG", "LC_*", "CI", "CHROMIUM", "PYTHON", "XDG_CACHE_HOME"),
    *("*_proxy", "*_PROXY", "PIP_*", "UV_*", "NPM_*", "npm_config_*"),
    *("SSL_*", "*_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
)
# Git ignores the settings of the user, and the author of the commit is fixed.
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


@dataclass(frozen=True, slots=True)
class Command:
    """A running command, and the file with its output."""

    process: subprocess.Popen[bytes]
    output_path: Path

    def output(self) -> str:
        return self.output_path.read_text(errors="replace")

    def interrupt(self) -> int:
        """Send SIGINT to the process group, as Ctrl-C does, and return the exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout=120)


class Clone:
    """A clone of the working tree, with the files that git would commit. Use it in a `with` statement."""

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="clone-")).resolve()
        # PostgreSQL's user needs access to folders inside.
        self._folder.chmod(0o711)
        self.path = self._folder / "darkroom"
        self._numbers = count()
        # Every process of the clone inherits this variable, which identifies it.
        temporary = self._folder / "tmp"
        temporary.mkdir()
        self._environment = inherited(os.environ) | {
            "CORPUS": str(CORPUS.resolve()),
            "TMPDIR": str(temporary),
        }
        copy_tracked(self.path)
        self._commit()
        return self

    def __exit__(self, *_: object) -> None:
        self._kill_all()
        shutil.rmtree(self._folder)

    def make(self, target: str, arguments: str = "", *, seconds: float = 300) -> str:
        """Run a target, and return its output. It must succeed and leave no process behind."""
        return self.run("make", target, *([f"ARGS={arguments}"] if arguments else []), seconds=seconds)

    def run(self, *command: str, seconds: float = 300) -> str:
        """Run a command, and return its output. It must succeed and leave no process behind."""
        with self.started(*command) as running:
            status = running.process.wait(timeout=seconds)
            assert status == 0, f"`{' '.join(command)}` ended with status {status}"
            self.wait_until_nothing_runs()
            return running.output()

    def manage(self, *arguments: str) -> str:
        """Run a management command as the README does. The system may be running."""
        with self.started(".venv/bin/python", "manage.py", *arguments) as running:
            assert running.process.wait(timeout=300) == 0
            return running.output()

    @contextlib.contextmanager
    def started(self, *command: str, **environment: str) -> Iterator[Command]:
        """Start a command in a separate process group. At the end, kill it if it still runs."""
        path = self._folder / f"output-{next(self._numbers)}.txt"
        with path.open("w") as output:
            process = subprocess.Popen(
                command,
                cwd=self.path,
                env=self._environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running = Command(process, path)
        try:
            yield running
        finally:
            sys.stdout.write(running.output())  # pytest shows this if the test fails
            if process.poll() is None:
                self._kill_all()
                process.wait()

    def wait_until_nothing_runs(self) -> None:
        """Wait until no process of the clone is left, because some may still be ending."""
        wait_until(lambda: not self.processes(), seconds=20)

    def processes(self) -> dict[int, str]:
        """Return the command lines of the clone's processes by process id."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # the process has ended
                if self._has_started(process):
                    found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        return found

    def _has_started(self, process: Path) -> bool:
        """Check the environment and the working folder. Redis and PostgreSQL overwrite the environment."""
        mark = f"TMPDIR={self._environment['TMPDIR']}\0".encode()
        return mark in (process / "environ").read_bytes() or (
            (process / "cwd").readlink().is_relative_to(self._folder)
        )

    def changes(self) -> str:
        """Return what has changed since the clone was made, as git reports it."""
        return self._git("status", "--porcelain")

    def _commit(self) -> None:
        self._git("init", "--quiet")
        # Force, because a tracked file may match `.gitignore`. The folder contains no other files yet.
        self._git("add", "--all", "--force")
        self._git("commit", "--quiet", "--message", "Everything.")

    def _git(self, *arguments: str) -> str:
        environment = self._environment | GIT
        return subprocess.check_output(["git", *arguments], cwd=self.path, env=environment, text=True)

    def _kill_all(self) -> None:
        """Kill the clone's processes, repeatedly, because they may start others meanwhile."""
        while found := self.processes():
            for process in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a command in the clone inherits."""
    return {
        name: value
        for name, value in environment.items()
        if any(fnmatchcase(name, pattern) for pattern in INHERITED)
    }


def copy_tracked(target: Path) -> None:
    """Copy the files that git tracks, or would add, from the working tree."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(command, cwd=ROOT, text=True).split("\0"):
        path, copy = ROOT / name, target / name
        # A deleted file stays in git's index until the deletion is added.
        if path.is_symlink() or path.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy, follow_symlinks=False)
