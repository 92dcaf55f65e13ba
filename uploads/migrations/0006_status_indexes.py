from django.db import migrations, models

from uploads.concurrent_index import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("uploads", "0005_restoration"),
    ]
    operations = [
        AddIndexOnline(
            model_name="upload",
            index=models.Index(
                condition=models.Q(("deleted_at", None)),
                fields=["status", "-created_at", "-id"],
                name="live_uploads",
            ),
        ),
        AddIndexOnline(
            model_name="upload",
            index=models.Index(
                condition=models.Q(("deleted_at", None), ("ready_at__isnull", False)),
                fields=["ready_at"],
                name="ready_uploads",
            ),
        ),
    ]
