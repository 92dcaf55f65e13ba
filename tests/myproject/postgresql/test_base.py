"""Connections to PostgreSQL: a server that does not answer, and one that has become read-only."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import InternalError, OperationalError, connection
from django.db.utils import ConnectionHandler

from myproject.postgresql.base import DatabaseWrapper

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

Connect = Callable[..., DatabaseWrapper]
# Seconds that a test waits for a server that does not answer.
PATIENCE = 0.3


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Return a function that returns another connection to the database of the test."""
    opened: list[DatabaseWrapper] = []

    def connect(**options: Any) -> DatabaseWrapper:
        # Without the limits of the web process, which another test may have imported.
        given = {
            name: value
            for name, value in connection.settings_dict["OPTIONS"].items()
            if name not in {"options", "patience"}
        }
        database = {
            **connection.settings_dict,
            "CONN_HEALTH_CHECKS": "pool" in options,
            "OPTIONS": {**given, **options},
        }
        alias = f"other{len(opened)}"
        wrapper = ConnectionHandler({"default": database, alias: database})[alias]
        assert isinstance(wrapper, DatabaseWrapper)
        opened.append(wrapper)
        return wrapper

    yield connect
    for wrapper in opened:
        wrapper.close()
        if "pool" in wrapper.settings_dict["OPTIONS"]:
            wrapper.close_pool()


def run(wrapper: DatabaseWrapper, statement: str) -> None:
    with wrapper.cursor() as cursor:
        cursor.execute(statement)


def ask(wrapper: DatabaseWrapper, query: str = "SELECT 1") -> Any:
    with wrapper.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


@contextmanager
def frozen(wrapper: DatabaseWrapper) -> Iterator[None]:
    """Freeze the server's process of a connection."""
    backend = ask(wrapper, "SELECT pg_backend_pid()")
    os.kill(backend, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(backend, signal.SIGCONT)


def test_frozen_server_ends_the_wait_and_the_connection(connect: Connect) -> None:
    wrapper = connect(patience=PATIENCE)
    with frozen(wrapper):
        with pytest.raises(OperationalError, match=f"no answer within {PATIENCE} seconds"):
            ask(wrapper)
        wrapper.close_if_unusable_or_obsolete()
        assert ask(wrapper) == 1


def test_frozen_server_ends_the_wait_for_a_commit(connect: Connect) -> None:
    wrapper = connect(patience=PATIENCE)
    wrapper.set_autocommit(False)
    ask(wrapper)
    with frozen(wrapper), pytest.raises(OperationalError, match="no answer"):
        wrapper.commit()


def test_statement_that_takes_longer_than_allowed_keeps_the_connection(connect: Connect) -> None:
    wrapper = connect(patience=60, options="-c statement_timeout=50")
    backend = ask(wrapper, "SELECT pg_backend_pid()")
    with pytest.raises(OperationalError, match="statement timeout"):
        ask(wrapper, "SELECT pg_sleep(60)")
    assert ask(wrapper, "SELECT pg_backend_pid()") == backend


def test_statement_waits_for_a_lock_for_a_limited_time(connect: Connect) -> None:
    holder, waiter = connect(), connect(options="-c lock_timeout=50")
    holder.set_autocommit(False)
    run(holder, "LOCK TABLE uploads_upload")
    waiter.set_autocommit(False)
    with pytest.raises(OperationalError, match="lock timeout"):
        run(waiter, "LOCK TABLE uploads_upload")
    holder.rollback()


def test_connection_waits_for_ever_by_default(connect: Connect) -> None:
    wrapper = connect()
    assert ask(wrapper) == 1
    assert wrapper.connection.patience is None


def pool() -> dict[str, Any]:
    return {"min_size": 1, "max_size": 1, "timeout": 5, "reconnect_timeout": 5}


def test_pool_checks_connections_with_less_patience(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("myproject.postgresql.base._CHECK", PATIENCE)
    wrapper = connect(patience=60, pool=pool())
    with frozen(wrapper):
        wrapper.close()
        # The pool makes another connection within the time that a request waits for one.
        assert ask(wrapper) == 1
    assert wrapper.connection.patience == 60


def test_connection_that_refused_a_write_is_not_used_again(connect: Connect) -> None:
    """The pool closes it, because a new one may lead to another server after a failover."""
    wrapper = connect(pool=pool())
    backend = ask(wrapper, "SELECT pg_backend_pid()")
    wrapper.close()
    assert ask(wrapper, "SELECT pg_backend_pid()") == backend
    run(wrapper, "SET default_transaction_read_only = on")
    with pytest.raises(InternalError, match="read-only"):
        run(wrapper, "CREATE TABLE another (id int)")
    wrapper.close()
    assert ask(wrapper, "SELECT pg_backend_pid()") != backend
    assert ask(wrapper, "SHOW default_transaction_read_only") == "off"
