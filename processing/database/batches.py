"""Long tables, read in batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.db.models import QuerySet

# The rows that one query returns.
_BATCH = 500


def all_rows(rows: QuerySet[Any], *fields: str) -> Iterator[Any]:
    """Yield a tuple of these fields for each row, in the order of their keys and in batches.

    A cursor on the server would not outlast its transaction behind a pooler in transaction mode. A row that
    is added or removed meanwhile may or may not be among them.
    """
    batch = rows.order_by("pk").values_list("pk", *fields)[:_BATCH]
    while page := list(batch):
        yield from (row[1:] for row in page)
        batch = rows.order_by("pk").filter(pk__gt=page[-1][0]).values_list("pk", *fields)[:_BATCH]
