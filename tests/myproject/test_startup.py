"""A server does not start with settings that make no sense."""

import os
import subprocess
import sys

import pytest

from tests.processing.processes import ROOT

SETTINGS = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "myproject.settings"
"""
BROKEN = f"""{SETTINGS}
from django.conf import settings
settings.DARKROOM["PRESETS"] = {{"large": {{"width": 0}}, "odd": {{"formats": ["tiff"], "width": 5}}}}
"""
CHECK = "from django.core.management import execute_from_command_line as run; run(['manage.py', 'check'])"
COMMANDS = {
    "web": "import myproject.asgi",
    "beat": "from myproject.celery import app; app.start(['beat', '--schedule=/dev/null'])",
    "manage.py": CHECK,
    "worker": "from myproject.celery import app; app.worker_main(['worker', '--pool=solo', '--queues=none'])",
}


def run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_a_bad_preset_stops_it_and_is_named(name: str) -> None:
    process = run(BROKEN + COMMANDS[name])
    assert process.returncode == 1
    assert "Preset 'large': width is 0; it must be 1 to 16383 pixels." in process.stderr
    assert "Preset 'odd': unknown format 'tiff'" in process.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_secret_key_from_an_example_stops_it(name: str) -> None:
    process = run(SETTINGS + COMMANDS[name], SECRET_KEY="django-insecure-changeme")
    assert process.returncode == 1
    assert "SECRET_KEY is a default, or too short to be secret" in process.stderr
    assert "changeme" not in process.stderr


@pytest.mark.parametrize("variables", [{}, {"FLOWER_BASIC_AUTH": ""}])
def test_flower_does_not_start_without_a_password(variables: dict[str, str]) -> None:
    process = run("from myproject.celery import app; app.start(['flower'])", **variables, FLOWER_PORT="0")
    assert process.returncode == 1
    assert "Flower needs a password" in process.stderr
