from django.db import migrations, models

from uploads.concurrent_index import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("uploads", "0007_language")]

    operations = [
        AddIndexOnline(
            model_name="upload",
            index=models.Index(
                condition=models.Q(
                    ("bulk", False), ("deleted_at", None), ("status__in", ["pending", "processing"])
                ),
                fields=["owner", "queued_at"],
                name="unfinished_uploads",
            ),
        ),
    ]
