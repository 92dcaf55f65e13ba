"""The databases of a site: a PostgreSQL server that tests can kill, or a SQLite file."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.postgresql import PostgreSQL, Row


class SQLite:
    """A SQLite file in the folder. It has no process to kill."""

    command = ()
    user = None

    def __init__(self, folder: Path) -> None:
        self._path = folder / "db.sqlite3"
        self.url = f"sqlite:///{self._path}"

    def rows(self, query: str) -> list[Row]:
        with closing(sqlite3.connect(self._path, timeout=20)) as connection:
            return connection.execute(query).fetchall()


DATABASES: dict[str, type[PostgreSQL | SQLite]] = {"postgresql": PostgreSQL, "sqlite": SQLite}
