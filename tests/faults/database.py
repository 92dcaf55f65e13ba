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

    def back_up(self, path: Path) -> None:
        """Copy the database in one transaction, while the site uses it."""
        copy(self._path, path)

    def restore(self, path: Path) -> None:
        """Replace the content of the database by that of a copy."""
        copy(path, self._path)


def copy(source: Path, target: Path) -> None:
    """Copy a database with SQLite's backup API."""
    with (
        closing(sqlite3.connect(source, timeout=60)) as old,
        closing(sqlite3.connect(target, timeout=60)) as new,
    ):
        old.backup(new)


DATABASES: dict[str, type[PostgreSQL | SQLite]] = {"postgresql": PostgreSQL, "sqlite": SQLite}
