"""The errors of an unavailable database, as PostgreSQL reports them, and a database that refuses writes."""

import pytest
from django.db import DatabaseError, connection, transaction

from processing.database.availability import DATABASE_UNAVAILABLE, refuses_writes
from processing.models import StorageState

pytestmark = pytest.mark.django_db

# The server raises the error with this code, and the driver chooses its class.
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'as ordered' USING ERRCODE = '{code}'; END $$"


def error_of(code: str) -> DatabaseError:
    with pytest.raises(DatabaseError) as raised, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(RAISE.format(code=code))
    return raised.value


@pytest.mark.postgresql
@pytest.mark.parametrize(
    "code",
    [
        pytest.param("08006", id="connection_failure"),
        pytest.param("25006", id="read_only_sql_transaction"),
        pytest.param("40001", id="serialization_failure"),
        pytest.param("40P01", id="deadlock_detected"),
        pytest.param("53100", id="disk_full"),
        pytest.param("53200", id="out_of_memory"),
        pytest.param("53300", id="too_many_connections"),
        pytest.param("55P03", id="lock_not_available"),
        pytest.param("57014", id="query_canceled"),
        pytest.param("57P01", id="admin_shutdown"),
        pytest.param("57P02", id="crash_shutdown"),
        pytest.param("57P03", id="cannot_connect_now"),
        pytest.param("58030", id="io_error"),
    ],
)
def test_error_of_an_unavailable_server_may_pass(code: str) -> None:
    assert isinstance(error_of(code), DATABASE_UNAVAILABLE)


@pytest.mark.postgresql
@pytest.mark.parametrize("code", ["22001", "23505", "42P01", "42703"])
def test_error_of_a_query_does_not_pass(code: str) -> None:
    assert not isinstance(error_of(code), DATABASE_UNAVAILABLE)


@pytest.mark.postgresql
def test_database_that_refuses_writes_says_so_without_a_write() -> None:
    assert not refuses_writes()
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
    assert refuses_writes()
    with pytest.raises(DATABASE_UNAVAILABLE), transaction.atomic():
        StorageState.objects.create(pk=1)


@pytest.mark.any_database
def test_other_databases_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "sqlite")
    assert not refuses_writes()
