"""The whole system, as `make run` starts it, with all its files in one folder."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from django.conf import settings

from deploy.ports import HOST, any_free_port

# These variables may be set on the machine. The system runs as if they were unset.
UNSET = (
    "REDIS_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "DATABASE_URL", "DATABASE_POOL_SIZE",
    "EMAIL_URL", "FLOWER_URL", "REDIS_CA_FILE", "REDIS_KEY_PREFIX",
)  # fmt: skip


class System:
    """Run `python -m deploy.local` with all its files in one folder."""

    def __init__(self, folder: Path, *, python: str = sys.executable, **environment: str) -> None:
        self.python = python
        self.var = folder / "var"
        self.port = any_free_port()
        self.output_path = folder / "output.txt"
        self.environment = {name: value for name, value in os.environ.items() if name not in UNSET} | {
            "DJANGO_SETTINGS_MODULE": "myproject.settings",
            "VAR_DIR": str(self.var),
            "MEDIA_ROOT": str(folder / "media"),
            "PORT": str(self.port),
            **environment,
        }

    @contextlib.contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        with (
            self.output_path.open("w") as output,
            subprocess.Popen(
                [self.python, "-m", "deploy.local"],
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
                sys.stdout.write(self.output())  # pytest shows this if the test fails
                if process.poll() is None:
                    process.kill()

    @contextlib.contextmanager
    def ready(self) -> Iterator[None]:
        """Start the system, wait until it is ready, and stop it at the end as Ctrl-C does."""
        with self.started() as process:
            wait_until(lambda: "Sign in" in self.output() or process.poll() is not None)
            yield
            process.terminate()
            process.wait(timeout=120)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def printed_link(self) -> str:
        """Return the sign-in link that was printed at the start, which works once."""
        link = re.search(rf"{re.escape(self.url)}/accounts/link/\S+", self.output())
        assert link is not None
        return link[0]

    def sign_in_link(self) -> str:
        """Return a new sign-in link of the demo person."""
        return self.manage("demo_link", DEMO="1").stdout.strip()

    def manage(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a management command on the system's database and storage."""
        return subprocess.run(
            [self.python, "manage.py", *arguments],
            cwd=settings.BASE_DIR,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def violations(self, uploads: Iterable[Mapping[str, object]]) -> list[str]:
        """Return the violations of the promise for these accepted uploads."""
        sent = {upload["id"]: upload["content_hash"] for upload in uploads}
        code = (
            "import json; from tests.faults.promise import violations; "
            f"print(json.dumps(violations({{'sent': {sent!r}, 'deleted': []}})))"
        )
        found: list[str] = json.loads(self.manage("shell", "--no-imports", "--command", code).stdout)
        return found

    def output(self) -> str:
        return self.output_path.read_text()

    def get(self, path: str) -> tuple[int, str]:
        """Return the status and the headers of an answer."""
        with contextlib.closing(self._connection()) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.status, str(response.headers)

    def is_ready(self) -> bool:
        """Return whether every part of the system is well."""
        with contextlib.suppress(OSError), contextlib.closing(self._connection()) as connection:
            connection.request("GET", "/readyz")
            checks = json.loads(connection.getresponse().read())["checks"]
            return set(checks.values()) == {"ok"}
        return False

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(HOST, self.port, timeout=10)

    def processes(self) -> dict[int, str]:
        """Return the command lines of the system's processes by process id."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # the process has ended, or belongs to another user
                if self.is_ours(folder):
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        return found

    def is_ours(self, folder: Path) -> bool:
        """Recognise a process by its environment or its folder, because Redis overwrites its environment."""
        mark = f"VAR_DIR={self.var}\0".encode()
        return mark in (folder / "environ").read_bytes() or (folder / "cwd").readlink() == self.var

    def redis(self) -> int | None:
        return next((pid for pid, line in self.processes().items() if "redis-server" in line), None)

    def worker(self, queue: str) -> list[int]:
        """Return the process ids of a queue's worker, the main process first."""
        return sorted(pid for pid, line in self.processes().items() if f"--hostname {queue}@" in line)

    @contextlib.contextmanager
    def held(self, queue: str) -> Iterator[None]:
        """Freeze a queue's worker, so that its messages stay in the queue."""
        pids = self.worker(queue)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


def wait_until(condition: Callable[[], object], *, seconds: float = 180) -> None:
    """Wait until the condition holds. Fail after a time that is long enough for a busy machine."""
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, f"not within {seconds:g} s"
        time.sleep(0.05)
