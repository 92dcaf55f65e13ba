"""A study of Darkroom alone, in a separate process: `python -m benchmarks.study NAME PICTURE FOLDER`.

It prints the results of the named study of `benchmarks.studies` as JSON.
"""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import django

from benchmarks.catalog import CONTENDERS
from benchmarks.places import ROOT

Study = Literal["steps", "formats", "worst"]


def run_study(*, name: Study, source: Path, folder: Path) -> Any:
    """Run a study in an empty folder and return its results."""
    contender = next(one for one in CONTENDERS if one.key == "darkroom")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.study", name, str(source), str(folder)],
        cwd=ROOT,
        env=contender.variables(folder),
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return json.loads(output)


def main() -> None:
    """Run the study that the arguments name."""
    name, source, folder = sys.argv[1:]
    django.setup()
    module = importlib.import_module(f"benchmarks.studies.{name}")
    print(json.dumps(module.study(source=Path(source), folder=Path(folder))))


if __name__ == "__main__":
    main()
