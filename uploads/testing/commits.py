"""Commits inside a test: `TestCase` never commits, so callbacks for the commit would never run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper


@contextmanager
def committed_at_once(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Run callbacks for the commit when the outermost transaction of the code under test ends.

    In a `TestCase` this is a savepoint. Elsewhere transactions are real, and nothing has to be done.
    """
    connection = connections[using]
    if not connection.in_atomic_block:
        yield
        return
    commits = _Commits(connection)
    with (
        patch.object(connection, "savepoint_commit", commits.savepoint_commit),
        patch.object(connection, "on_commit", commits.on_commit),
    ):
        yield
        commits.run()


class _Commits:
    """The callbacks that a connection gets from now on."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._savepoint_commit, self._on_commit = connection.savepoint_commit, connection.on_commit
        # The savepoints and callbacks of the test itself.
        self._depth, self._first = len(connection.savepoint_ids), len(connection.run_on_commit)

    def savepoint_commit(self, sid: str) -> None:
        self._savepoint_commit(sid)
        self._run_if_outermost()

    def on_commit(self, callback: Callable[[], Any], robust: bool = False) -> None:
        self._on_commit(callback, robust)
        self._run_if_outermost()

    def run(self) -> None:
        while len(self._connection.run_on_commit) > self._first:
            callback = self._connection.run_on_commit.pop(self._first)[1]
            callback()

    def _run_if_outermost(self) -> None:
        if len(self._connection.savepoint_ids) <= self._depth:
            self.run()
