"""The errors of an unavailable database, as PostgreSQL reports them, and a database that refuses writes."""

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from processing import database
from processing.database import DATABASE_UNAVAILABLE, all_rows, refuses_writes
from processing.models import PendingFile, StorageState

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


@pytest.mark.any_database
@pytest.mark.parametrize("count", [0, 1, 3, 4, 6])
def test_all_rows_are_read_in_batches(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any, count: int
) -> None:
    monkeypatch.setattr(database, "_BATCH", 3)
    keys = [f"originals/{number}" for number in range(count)]
    PendingFile.objects.bulk_create([PendingFile(key=key, due_at=timezone.now()) for key in reversed(keys)])
    rows = PendingFile.objects.exclude(key="another")
    # The last query of a batch that is not full is followed by an empty one.
    with django_assert_num_queries(1 + -(-count // 3)):
        found = [key for (key,) in all_rows(rows, "key")]
    assert sorted(found) == keys


@pytest.mark.any_database
def test_rows_that_are_removed_meanwhile_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BATCH", 2)
    due_at = timezone.now()
    PendingFile.objects.bulk_create([PendingFile(key=f"originals/{n}", due_at=due_at) for n in range(6)])
    found = all_rows(PendingFile.objects.all(), "key")
    seen = [next(found)]
    PendingFile.objects.filter(key__in=["originals/0", "originals/1", "originals/2"]).delete()
    seen += found
    assert [key for (key,) in seen] == [f"originals/{number}" for number in (0, 1, 3, 4, 5)]
