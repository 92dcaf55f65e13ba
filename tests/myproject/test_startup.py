"""A server does not start with settings that make no sense."""

import subprocess
import sys

import pytest

from tests.processing.processes import ROOT

BROKEN = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "myproject.settings"
from django.conf import settings
settings.DARKROOM["PRESETS"] = {"large": {"width": 0}, "odd": {"formats": ["tiff"], "width": 5}}
"""
COMMANDS = {
    "web": "import myproject.asgi",
    "worker": "from myproject.celery import app; app.worker_main(['worker', '--pool=solo', '--queues=none'])",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_bad_preset_stops_it_and_is_named(name: str) -> None:
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BROKEN + COMMANDS[name]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == 1
    assert "Preset 'large': width is 0; it must be 1 to 16383 pixels." in process.stderr
    assert "Preset 'odd': unknown format 'tiff'" in process.stderr
