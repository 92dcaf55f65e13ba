"""The database: which errors mean that it is unavailable, whether it refuses writes, and long tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.db import InterfaceError, InternalError, OperationalError, connection

if TYPE_CHECKING:
    from django.db.models import QuerySet

# The rows that one query of `all_rows` returns.
_BATCH = 500

# The errors of an unavailable database, as PEP 249 names them. `OperationalError`: there is no connection, no
# room or no time left. `InterfaceError`: the connection is closed. `InternalError`: PostgreSQL accepts no
# writes (class 25 of its error codes), for example after a failover.
DATABASE_UNAVAILABLE = (OperationalError, InterfaceError, InternalError)


def refuses_writes() -> bool:
    """Return whether the database answers, but accepts no writes. Asks without writing.

    A PostgreSQL standby does so, and a server with `default_transaction_read_only`, which hosting providers
    turn on when its disk is almost full. Other databases cannot be asked. Raises `DATABASE_UNAVAILABLE`.
    """
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        return cursor.fetchone() == ("on",)


def all_rows(rows: QuerySet[Any], *fields: str) -> Iterator[Any]:
    """Yield a tuple of these fields for each row, in the order of their keys and in batches.

    A cursor on the server would not outlast its transaction behind a pooler in transaction mode. A row that
    is added or removed meanwhile may or may not be among them.
    """
    batch = rows.order_by("pk").values_list("pk", *fields)[:_BATCH]
    while page := list(batch):
        yield from (row[1:] for row in page)
        batch = rows.order_by("pk").filter(pk__gt=page[-1][0]).values_list("pk", *fields)[:_BATCH]
