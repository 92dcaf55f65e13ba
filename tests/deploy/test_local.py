"""deploy.local: `make run` from its start to its end, with real processes."""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from deploy.claims import HOST, any_free_port

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

# Whoever runs the tests may have these set; here every one of them is what it is when unset.
UNSET = ("REDIS_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "DATABASE_URL", "EMAIL_URL", "FLOWER_URL")


class Supervisor:
    """Run `python -m deploy.local` with all it keeps in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.var = folder / "var"
        self.port = any_free_port()
        self.output_path = folder / "output.txt"
        self.environment = {name: value for name, value in os.environ.items() if name not in UNSET} | {
            "DJANGO_SETTINGS_MODULE": "myproject.settings",
            "VAR_DIR": str(self.var),
            "MEDIA_ROOT": str(folder / "media"),
            "PORT": str(self.port),
        }

    @contextlib.contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        with (
            self.output_path.open("w") as output,
            subprocess.Popen(
                [sys.executable, "-m", "deploy.local"],
                cwd=settings.BASE_DIR,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as process,
        ):
            try:
                yield process
            finally:
                sys.stdout.write(self.output())  # pytest shows it when the test fails
                if process.poll() is None:
                    process.kill()

    def output(self) -> str:
        return self.output_path.read_text()

    def get(self, path: str) -> tuple[int, str]:
        """Return the status and the headers of the answer."""
        with contextlib.closing(http.client.HTTPConnection(HOST, self.port, timeout=10)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.status, str(response.headers)

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            return self.get("/readyz")[0] == 200
        return False

    def processes(self) -> dict[int, str]:
        """Return the command lines of everything that runs with this folder, by process number."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # gone meanwhile, or somebody else's
                if self.is_ours(folder):
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        return found

    def is_ours(self, folder: Path) -> bool:
        """Tell by its environment, or by the folder it is in: Redis writes its title over the former."""
        mark = f"VAR_DIR={self.var}\0".encode()
        return mark in (folder / "environ").read_bytes() or (folder / "cwd").readlink() == self.var

    def redis(self) -> int | None:
        return next((pid for pid, line in self.processes().items() if "redis-server" in line), None)


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    return Supervisor(tmp_path)


def wait_until(condition: Callable[[], object], *, seconds: float) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, f"not within {seconds:g} s"
        time.sleep(0.05)


def test_serves_recovers_and_stops(supervisor: Supervisor) -> None:
    with supervisor.started() as process:
        wait_until(lambda: "Sign in" in supervisor.output() or process.poll() is not None, seconds=150)
        assert supervisor.is_ready()

        link = re.search(rf"http://127\.0\.0\.1:{supervisor.port}(/accounts/link/\S+)", supervisor.output())
        assert link is not None
        status, headers = supervisor.get(link[1])
        assert status == 302
        assert "sessionid=" in headers

        second = subprocess.run(
            [sys.executable, "-m", "deploy.local"],
            cwd=settings.BASE_DIR,
            env=supervisor.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert second.returncode == 1
        assert f"already runs from this folder: http://127.0.0.1:{supervisor.port}" in second.stderr

        killed = supervisor.redis()
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: supervisor.redis() not in {None, killed}, seconds=5)
        wait_until(supervisor.is_ready, seconds=30)

        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=40) == 0
    assert supervisor.processes() == {}


def test_a_killed_supervisor_leaves_nothing_behind_and_starts_again(supervisor: Supervisor) -> None:
    with supervisor.started() as process:
        wait_until(lambda: "thumbnails@" in supervisor.output(), seconds=150)
        process.kill()
        process.wait()
        wait_until(lambda: supervisor.processes() == {}, seconds=10)
    with supervisor.started() as process:
        wait_until(lambda: "an embedded Redis answers" in supervisor.output(), seconds=60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=40) == 0
    assert supervisor.processes() == {}
