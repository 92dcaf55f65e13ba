"""The connection pool: the requests of a web process share a limited number of connections."""

from typing import Any

import pytest

from myproject.connection_pool import share_connections

pytestmark = pytest.mark.any_database


@pytest.mark.parametrize(
    ("engine", "size", "shared"),
    [
        ("myproject.postgresql", 7, True),
        ("myproject.postgresql", 0, False),
        ("django.db.backends.sqlite3", 7, False),
    ],
)
def test_postgresql_gets_a_pool_of_the_configured_size(
    settings: Any, monkeypatch: pytest.MonkeyPatch, engine: str, size: int, shared: bool
) -> None:
    database: dict[str, Any] = {"ENGINE": engine, "OPTIONS": {"connect_timeout": 5}}
    monkeypatch.setitem(settings.DATABASES, "default", database)
    settings.DATABASE_POOL_SIZE = size
    share_connections()
    pool = database["OPTIONS"].get("pool")
    assert (pool["max_size"] if pool else None) == (size if shared else None)
    assert database.get("CONN_HEALTH_CHECKS", False) is shared
