"""A project of another developer, to which Darkroom is added, in an environment of other packages."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.install.clone import inherited
from tests.processing.processes import ROOT


def make_environment(folder: Path, packages: Sequence[str]) -> Path:
    """Install Darkroom's packages and others into a fresh environment; return its interpreter.

    The versions of the others are those of the benchmark, if it has them.
    """
    uv = (sys.executable, "-m", "uv")
    python = folder / "bin" / "python"
    install = (*uv, "pip", "install", "--quiet", "--python", str(python))
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([*install, "--no-deps", "-r", str(ROOT / "requirements" / "run.txt")], check=True)
    versions = str(ROOT / "benchmarks" / "requirements.txt")
    subprocess.run([*install, "--constraint", versions, *packages], check=True)
    return python


class Project:
    """A copy of a folder with a Django project. Its code imports Darkroom from the working tree."""

    def __init__(self, template: Path, *, python: Path, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._python = python
        shutil.copytree(template, folder)
        self._environment = inherited(os.environ) | {
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "DJANGO_SETTINGS_MODULE": "settings",
            **environment,
        }

    def migrate(self, app: str) -> None:
        """Make the migrations of an app of the project, and run all."""
        self.run("-m", "django", "makemigrations", app)
        self.run("-m", "django", "migrate")

    def run(self, *arguments: str) -> str:
        """Run the interpreter of the environment, and return its output."""
        process = subprocess.run(
            [str(self._python), *arguments],
            check=False,
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
        )
        assert process.returncode == 0, f"{arguments}: {process.stderr}{process.stdout}"
        return process.stdout

    def json(self, *arguments: str) -> Any:
        """Run the interpreter, and return the JSON that it prints."""
        return json.loads(self.run(*arguments))

    @contextlib.contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start the interpreter. Kill it at the end."""
        with subprocess.Popen(
            [str(self._python), *arguments],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield process
            finally:
                process.kill()
