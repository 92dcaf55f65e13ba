"""Long tables are read in batches, whatever is added or removed meanwhile."""

from typing import Any

import pytest
from django.utils import timezone

from processing.database import batches
from processing.database.batches import all_rows
from processing.models import PendingFile

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 6])
def test_all_rows_are_read_in_batches(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any, count: int
) -> None:
    monkeypatch.setattr(batches, "_BATCH", 3)
    keys = [f"originals/{number}" for number in range(count)]
    PendingFile.objects.bulk_create([PendingFile(key=key, due_at=timezone.now()) for key in reversed(keys)])
    rows = PendingFile.objects.exclude(key="another")
    # The last query of a batch that is not full is followed by an empty one.
    with django_assert_num_queries(1 + -(-count // 3)):
        found = [key for (key,) in all_rows(rows, "key")]
    assert sorted(found) == keys


def test_rows_that_are_removed_meanwhile_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_BATCH", 2)
    due_at = timezone.now()
    PendingFile.objects.bulk_create([PendingFile(key=f"originals/{n}", due_at=due_at) for n in range(6)])
    found = all_rows(PendingFile.objects.all(), "key")
    seen = [next(found)]
    PendingFile.objects.filter(key__in=["originals/0", "originals/1", "originals/2"]).delete()
    seen += found
    assert [key for (key,) in seen] == [f"originals/{number}" for number in (0, 1, 3, 4, 5)]
