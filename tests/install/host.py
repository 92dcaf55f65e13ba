"""A machine on which an operator has installed Darkroom: systemd, nginx, PostgreSQL, Redis and releases."""

import contextlib
import io
import json
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.embedded_redis import server_path
from tests.faults.site import RUN_MODULE
from tests.install.clone import copy_tracked
from tests.install.machine import Machine
from tests.postgresql import PostgreSQL, Row
from tests.processing.processes import ROOT
from tests.system import wait_until

# The address in deploy/nginx/darkroom.conf.
NAME = "photos.example"
SERVICES = ("web@1", "web@2", "thumbnails", "renditions", "notifications", "bulk", "beat", "flower")
NEW, OLD = "new", "old"
RELEASES = "/opt/darkroom/releases"
RESTART = f"{RELEASES}/{NEW}/deploy/systemd/restart.sh"
FLOWER_PASSWORD = "ada:a password of the tests"
_PYTHON = "/opt/python"
_CERTIFICATES = "/etc/ssl/darkroom"
_SETTINGS = {
    "VAR_DIR": "/var/lib/darkroom",
    "MEDIA_ROOT": "/var/lib/darkroom/media",
    "DEBUG": "0",
    "HTTPS": "1",
    "SECRET_KEY": "a secret of the tests, long enough to be taken for a real one by every check",
    "ALLOWED_HOSTS": NAME,
    "SITE_URL": f"https://{NAME}",
    "DATABASE_URL": "postgresql://postgres@127.0.0.1:5432/postgres",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "FLOWER_URL": "http://127.0.0.1:5555",
    "FLOWER_ADDRESS": "127.0.0.1",
    "FLOWER_PORT": "5555",
    "FLOWER_BASIC_AUTH": FLOWER_PASSWORD,
    "RENDERER_SANDBOX": "required",
    # A full disk of the machine that runs the tests must not fail them.
    "DISK_FREE_BYTES": "0",
    # Python's library may be in a home folder, which the units hide.
    "LD_LIBRARY_PATH": f"{_PYTHON}/lib",
}
# Releases without this do not report to systemd that they have started.
_OLDER = "/run/systemd/system/darkroom-.service.d/older-release.conf"


class Host:
    """Run the machine. All its files are in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._database = PostgreSQL(folder)
        packages = Path(sys.prefix) / "lib"
        binds = {
            _PYTHON: Path(sys.base_prefix),
            str(folder): folder,
            **{f"{RELEASES}/{name}/.venv/lib": packages for name in (NEW, OLD)},
        }
        self.machine = Machine(folder, binds)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Boot the machine with the servers that Darkroom needs."""
        copy_tracked(self._release(NEW))
        self._add_environment(NEW)
        _extract(commit_before_newest_migration(), self._release(OLD))
        self._add_environment(OLD)
        self._configure_nginx()
        with self.machine.running():
            run = self.machine.run
            postgresql = [*self._database.command, "-h", "127.0.0.1"]
            user = [f"--uid={self._database.user}"] if self._database.user else []
            run("systemd-run", *user, *postgresql)
            run("systemd-run", server_path(), "--save", "", "--bind", "127.0.0.1")
            wait_until(self._database.answers)
            key, certificate = f"{_CERTIFICATES}/privkey.pem", f"{_CERTIFICATES}/fullchain.pem"
            run("mkdir", "-p", _CERTIFICATES, "/var/cache/nginx")
            run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={NAME}", "-keyout", key, "-out", certificate)  # fmt: skip
            run("nginx", "-t")
            run("systemctl", "start", "nginx")
            yield

    def install(self) -> None:
        """Do what docs/systemd.md says."""
        run = self.machine.run
        self.switch_to(NEW)
        run(f"{RELEASES}/{NEW}/deploy/systemd/install.sh")
        settings = "".join(f"{name}={value}\n" for name, value in _SETTINGS.items())
        run("tee", "/etc/darkroom/environment", stdin=settings)
        run("darkroom", "migrate", "--noinput")
        run("darkroom", "collectstatic", "--noinput")
        run("systemctl", "start", "darkroom.target")
        wait_until(self.is_ready)

    def switch_to(self, release: str) -> None:
        """Let the services run this release when they start again."""
        self.machine.run("ln", "-sfn", f"releases/{release}", "/opt/darkroom/current")
        if not (self._release(release) / "deploy" / "systemd").exists():
            self.machine.run("mkdir", "-p", str(Path(_OLDER).parent))
            self.machine.run("tee", _OLDER, stdin="[Service]\nType=exec\n")
            self.machine.run("systemctl", "daemon-reload")

    def releases(self) -> set[str]:
        """Return the releases that the services run."""
        pids = self.machine.run(
            "systemctl", "show", "--property=MainPID", "--value", *(f"darkroom-{name}" for name in SERVICES)
        ).split()
        mounts = (self.machine.run("cat", f"/proc/{pid}/mountinfo").splitlines() for pid in pids)
        # proc_pid_mountinfo(5): the mounted folder, and where it is mounted.
        folders = [line.split()[3:5] for lines in mounts for line in lines]
        return {Path(source).name for source, target in folders if target == "/opt/darkroom/release"}

    def get(self, path: str) -> Any:
        """Return the JSON that the site answers."""
        command = ["curl", "-sk", "--resolve", f"{NAME}:443:127.0.0.1", f"https://{NAME}{path}"]
        return json.loads(self.machine.run(*command))

    def is_ready(self) -> bool:
        with contextlib.suppress(AssertionError, ValueError):
            return set(self.get("/readyz")["checks"].values()) == {"ok"}
        return False

    def people(self) -> str:
        """Return five new people as JSON."""
        code = RUN_MODULE.format(name="tests.faults.prepare")
        return self.machine.run("darkroom", "shell", "--no-imports", "--command", code, stdin="5")

    def visitors(self, people: str, requests: int) -> subprocess.Popen[str]:
        """Return a process in which people send so many requests (`tests.install.load`)."""
        process = subprocess.Popen(
            self.machine.in_network(sys.executable, "-m", "tests.install.load", NAME, str(requests)),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin
        process.stdin.write(people)
        process.stdin.close()
        return process

    def rows(self, query: str) -> list[Row]:
        return self._database.rows(query)

    def _release(self, name: str) -> Path:
        return self.machine.root / RELEASES[1:] / name

    def _add_environment(self, name: str) -> None:
        """Add what the installation makes: an environment with the packages of the tests, and built files."""
        environment = self._release(name) / ".venv"
        (environment / "bin").mkdir(parents=True)
        (environment / "bin" / "python").symlink_to(f"{_PYTHON}/bin/python{sysconfig.get_python_version()}")
        (environment / "pyvenv.cfg").write_text(f"home = {_PYTHON}/bin\n")
        vendor = Path("uploads/static/uploads/vendor")
        shutil.copytree(ROOT / vendor, self._release(name) / vendor)
        for path in ROOT.glob("*/locale/*/LC_MESSAGES/*.mo"):
            shutil.copy(path, self._release(name) / path.relative_to(ROOT))

    def _configure_nginx(self) -> None:
        etc = self.machine.root / "etc" / "nginx"
        source = ROOT / "deploy" / "nginx"
        shutil.copytree(source / "snippets", etc / "snippets", dirs_exist_ok=True)
        (etc / "conf.d").mkdir()
        shutil.copy(source / "darkroom.conf", etc / "conf.d")


def commit_before_newest_migration() -> str:
    """Return the newest commit whose migrations lack the last one of today."""
    migrations = ["uploads/migrations/0*.py", "processing/migrations/0*.py"]
    return _git("log", "-1", "--diff-filter=A", "--format=%H^", "--", *migrations).decode().strip()


def _extract(commit: str, target: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(_git("archive", commit))) as archive:
        archive.extractall(target, filter="data")


def _git(*arguments: str) -> bytes:
    return subprocess.check_output(["git", *arguments], cwd=ROOT)
