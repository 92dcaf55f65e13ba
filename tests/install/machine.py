"""A machine with a real systemd as PID 1, in namespaces, on a copy-on-write view of this machine's files."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.system import wait_until

_BOOT = Path(__file__).with_name("boot_machine.sh")
_SYSTEMD = Path("/lib/systemd/systemd")
_NAMESPACES = (
    "--mount",
    "--pid",
    "--net",
    "--uts",
    "--ipc",
    "--propagation=private",
    "--fork",
    "--kill-child",
)


class Machine:
    """Boot systemd with its own files, processes and network.

    `binds` has folders that the machine shares with this one, by their path on the machine.
    """

    def __init__(self, folder: Path, binds: Mapping[str, Path]) -> None:
        self._folder = folder
        self._name = f"darkroom-{os.getpid()}-{folder.name}"
        self._binds = [f"{source}:{target}" for target, source in binds.items()]
        self._systemd = 0

    @property
    def root(self) -> Path:
        """Return the folder for files that the machine finds below `/` when it boots."""
        return self._folder / "upper"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the machine until the end of the block."""
        for name in ("upper", "work", "root"):
            (self._folder / name).mkdir(exist_ok=True)
        command = ["unshare", *_NAMESPACES, "sh", str(_BOOT), str(self._folder), self._name, *self._binds]
        log = self._folder / "console"
        try:
            with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as booting:
                try:
                    wait_until(lambda: booting.poll() is not None or self._is_up(booting.pid), seconds=60)
                    assert booting.poll() is None, log.read_text()
                    yield
                finally:
                    sys.stdout.write(log.read_text())  # pytest shows this if the test fails
                    booting.kill()
        finally:
            self._remove_cgroup()

    def run(self, *command: str, stdin: str = "", check: bool = True) -> str:
        """Run a command on the machine, and return its output."""
        inside = [
            "nsenter", f"--target={self._systemd}", "--all", "--root", "--wd", "env", "-i",
            "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_PAGER=cat", *command,
        ]  # fmt: skip
        done = subprocess.run(
            inside,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout

    def in_network(self, *command: str) -> list[str]:
        """Return a command that sees this machine's files, and is in the network of the machine."""
        return ["nsenter", f"--net=/proc/{self._systemd}/ns/net", *command]

    def _is_up(self, parent: int) -> bool:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        self._systemd = int(children[0]) if children else 0
        if not self._systemd or Path(f"/proc/{self._systemd}/comm").read_text().strip() != "systemd":
            return False
        return "running" in self.run("systemctl", "is-system-running", check=False)

    def _remove_cgroup(self) -> None:
        folder = self._folder / "cgroup"
        folder.mkdir()
        # It has none if it did not boot. The processes in it may need a moment to end.
        script = (
            f'mount -t cgroup2 cgroup2 "$0" && '
            f'{{ ! [ -d "$0/{self._name}" ] || find "$0/{self._name}" -depth -type d -delete; }}'
        )
        wait_until(
            lambda: (
                subprocess.run(
                    ["unshare", "--mount", "sh", "-c", script, str(folder)], capture_output=True, check=False
                ).returncode
                == 0
            ),
            seconds=30,
        )


def lacks() -> str:
    """Return why this machine cannot boot another, or ""."""
    if os.geteuid() != 0:
        return "Only root can boot a machine."
    if not _SYSTEMD.exists() or shutil.which("unshare") is None:
        return "There is no systemd; on Debian and Ubuntu: apt-get install systemd"
    answer = subprocess.run(
        ["unshare", "--mount", "--net", "true"], capture_output=True, text=True, check=False
    )
    return answer.stderr
