"""benchmarks.catalog: the contenders."""

import os
import subprocess
import sys

from benchmarks.catalog import CONTENDERS
from benchmarks.places import ROOT
from deploy.programs import WORKER_ENVIRONMENT


def test_catalog_loads_without_django_settings() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    code = "from benchmarks.catalog import CONTENDERS; print(*[one.key for one in CONTENDERS])"
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert output.stdout.split() == [one.key for one in CONTENDERS]


def test_darkroom_runs_in_the_environment_of_a_worker() -> None:
    darkroom = next(one for one in CONTENDERS if one.key == "darkroom")
    assert WORKER_ENVIRONMENT.items() <= darkroom.environment.items()
