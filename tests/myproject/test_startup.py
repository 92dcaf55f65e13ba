"""A server does not start with invalid settings."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from myproject.startup import report_ready
from tests.processing.processes import ROOT

pytestmark = pytest.mark.slow

BROKEN = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "myproject.settings"
from django.conf import settings
settings.DARKROOM["PRESETS"] = {"large": {"width": 0}, "odd": {"formats": ["tiff"], "width": 5}}
"""
MANAGE = "from django.core.management import execute_from_command_line as run; run(['manage.py', 'check'])"
COMMANDS = {
    "web": "import myproject.asgi",
    "beat": "from myproject.celery import app; app.start(['beat', '--schedule=schedule', '--pidfile='])",
    "manage.py": MANAGE,
    "worker": "from myproject.celery import app; app.worker_main(['worker', '--pool=solo', '--queues=none'])",
}


def run(code: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run code in a folder of the test."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_invalid_settings_stop_the_start_and_are_all_named(name: str, tmp_path: Path) -> None:
    variables = {"SECRET_KEY": "django-insecure-changeme", "REDIS_URL": "sentinel://:secret@host"}
    process = run(BROKEN + COMMANDS[name], tmp_path, **variables)
    assert process.returncode == 1
    assert "Preset 'large': width is 0; it must be 1 to 16383 pixels." in process.stderr
    assert "Preset 'odd': unknown format 'tiff'" in process.stderr
    assert "SECRET_KEY is a default or too easy to guess" in process.stderr
    assert "REDIS_URL is an address of Redis Sentinel." in process.stderr
    assert "changeme" not in process.stderr
    assert "secret@" not in process.stderr


def test_flower_does_not_start_with_a_blank_password() -> None:
    code = "from myproject.celery import app; app.start(['flower'])"
    # Flower reads its configuration from the working folder.
    process = run(code, ROOT, FLOWER_BASIC_AUTH="", FLOWER_PORT="0")
    assert process.returncode == 1
    assert "Flower needs a password" in process.stderr


def test_flower_takes_its_password_from_the_environment_file(tmp_path: Path) -> None:
    environment_file = tmp_path / "environment"
    environment_file.write_text(
        "FLOWER_BASIC_AUTH=ada:secret of Ada\nFLOWER_PORT=5678\nFLOWER_URL=https://f.example\n"
    )
    # Flower itself replaces the options of its command line last.
    code = """
from unittest.mock import patch
from tornado.options import options
from myproject.celery import app
from flower.app import Flower
with patch.object(Flower, "start_http_server", side_effect=SystemExit(0)):
    try:
        app.start(["flower"])
    finally:
        print(options.basic_auth, options.port)
"""
    process = run(code, ROOT, ENV_FILE=str(environment_file))
    assert "['ada:secret of Ada'] 5678" in process.stdout, process.stderr


def test_flower_does_not_start_with_an_invalid_address() -> None:
    code = "from myproject.celery import app; app.start(['flower'])"
    variables = {"FLOWER_BASIC_AUTH": "a:b", "FLOWER_PORT": "0", "REDIS_URL": "redis+cluster://host"}
    process = run(code, ROOT, **variables)
    assert process.returncode == 1
    assert "REDIS_URL is an address of Redis Cluster." in process.stderr


@pytest.mark.parametrize("is_abstract", [False, True])
def test_start_is_reported_to_systemd_once(
    is_abstract: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(10)
        systemd.bind(f"\0{address}" if is_abstract else address)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{address}" if is_abstract else address)
        report_ready()
        assert systemd.recv(100) == b"READY=1"
        assert "NOTIFY_SOCKET" not in os.environ
        report_ready()  # without systemd, there is nothing to do
