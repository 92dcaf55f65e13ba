from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Count, F, Sum

from uploads.owners import owner_model_name


def count_deleted_uploads(apps: Any, schema_editor: Any) -> None:
    """Add the deleted uploads to the quotas: they count until they are purged."""
    uploads = apps.get_model("uploads", "Upload").objects.filter(deleted_at__isnull=False).order_by()
    totals = uploads.values("owner").annotate(images=Count("pk"), bytes=Sum("original__byte_size"))
    for total in totals.order_by("owner"):
        apps.get_model("uploads", "Quota").objects.filter(owner=total["owner"]).update(
            images=F("images") + total["images"], bytes=F("bytes") + total["bytes"]
        )


class Migration(migrations.Migration):
    online = (
        "Old code does not read the new table. It subtracts a deleted upload from its quota, which the nightly "
        "recount corrects."
    )
    dependencies = [
        migrations.swappable_dependency(owner_model_name()),
        ("uploads", "0016_repeatable_events"),
    ]

    operations = [
        migrations.CreateModel(
            name="Reservation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("byte_size", models.PositiveBigIntegerField()),
                ("expires_at", models.DateTimeField(db_index=True)),
                (
                    "owner",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="reservations",
                        to=owner_model_name(),
                    ),
                ),
            ],
        ),
        migrations.RunPython(count_deleted_uploads, migrations.RunPython.noop),
    ]
