"""Recount the usage of quotas, because old code does not track it during a rolling restart."""

from django.db import transaction

from processing.database.batches import all_rows
from uploads.models import Quota


def recount_quotas() -> None:
    """Recount the images and bytes of each person."""
    for (owner_id,) in all_rows(Quota.objects.all(), "pk"):
        with transaction.atomic():
            # A transaction that adds an image waits for this lock, or has committed and is counted.
            quota = Quota.objects.select_for_update().filter(pk=owner_id).first()
            if quota is not None:
                quota.count().save(update_fields=["images", "bytes"])
