"""deploy.local: `make run` from start to end, with real processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.system import System, wait_until

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]


@pytest.fixture
def supervisor(tmp_path: Path) -> System:
    return System(tmp_path)


def test_supervisor_serves_recovers_and_stops(supervisor: System) -> None:
    with supervisor.started() as process:
        wait_until(lambda: "Sign in" in supervisor.output() or process.poll() is not None)
        assert supervisor.is_ready()

        status, headers = supervisor.get(supervisor.printed_link().removeprefix(supervisor.url))
        assert status == 302
        assert "sessionid=" in headers

        second = subprocess.run(
            [sys.executable, "-m", "deploy.local"],
            cwd=settings.BASE_DIR,
            env=supervisor.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert second.returncode == 1
        assert f"is already running from this folder: http://127.0.0.1:{supervisor.port}" in second.stderr

        doctor = supervisor.manage("doctor")
        assert (doctor.returncode, set(doctor.stdout.split()[1::2])) == (0, {"ok"}), doctor.stdout

        killed = supervisor.redis()
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: supervisor.redis() not in {None, killed})
        wait_until(supervisor.is_ready)

        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 0
    assert supervisor.processes() == {}


def test_killed_supervisor_leaves_no_process_and_can_restart(supervisor: System) -> None:
    with supervisor.started() as process:
        wait_until(lambda: "thumbnails@" in supervisor.output())
        process.kill()
        process.wait()
        wait_until(lambda: supervisor.processes() == {})
    with supervisor.started() as process:
        wait_until(lambda: "the embedded Redis is running" in supervisor.output())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0
    assert supervisor.processes() == {}
