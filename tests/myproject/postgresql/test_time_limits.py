"""The time limits of statements: sent to PostgreSQL, unless a pooler is in between."""

from typing import Any

import pytest

from myproject.postgresql.time_limits import limit_statements

LOST_CLIENT = (
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5"
    " -c tcp_keepalives_count=3 -c tcp_user_timeout=25000"
)

pytestmark = pytest.mark.any_database


@pytest.fixture
def database(settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the settings of a database that the test limits."""
    database: dict[str, Any] = {"ENGINE": "myproject.postgresql", "OPTIONS": {"connect_timeout": 5}}
    monkeypatch.setitem(settings.DATABASES, "default", database)
    monkeypatch.delenv("PGOPTIONS", raising=False)
    settings.STATEMENT_TIMEOUT, settings.LOCK_TIMEOUT, settings.DATABASE_POOLER = 30.0, 0.5, False
    return database


def test_limits_are_sent_in_milliseconds(database: dict[str, Any]) -> None:
    limit_statements()
    assert database["OPTIONS"]["options"] == f"-c statement_timeout=30000 -c lock_timeout=500 {LOST_CLIENT}"


def test_client_waits_longer_than_the_server_works(database: dict[str, Any]) -> None:
    limit_statements()
    assert database["OPTIONS"]["patience"] == 35


def test_parameters_of_the_operator_take_precedence(
    database: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c lock_timeout=2s")
    database["OPTIONS"]["options"] = "-c search_path=photos"
    limit_statements()
    # PostgreSQL takes the last value.
    assert database["OPTIONS"]["options"].endswith(" -c lock_timeout=2s -c search_path=photos")


def test_pooler_is_sent_no_parameters(database: dict[str, Any], settings: Any) -> None:
    settings.DATABASE_POOLER = True
    limit_statements()
    assert database["OPTIONS"] == {"connect_timeout": 5, "patience": 35}


def test_no_limit_is_possible(database: dict[str, Any], settings: Any) -> None:
    settings.STATEMENT_TIMEOUT = settings.LOCK_TIMEOUT = 0
    limit_statements()
    assert database["OPTIONS"]["options"] == f"-c statement_timeout=0 -c lock_timeout=0 {LOST_CLIENT}"
    assert database["OPTIONS"]["patience"] is None


def test_sqlite_has_no_limits(database: dict[str, Any]) -> None:
    database["ENGINE"] = "django.db.backends.sqlite3"
    limit_statements()
    assert database["OPTIONS"] == {"connect_timeout": 5}
