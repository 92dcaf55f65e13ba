from django.db import migrations, models

from uploads.concurrent_index import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("uploads", "0018_aging_indexes"),
    ]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="next_step",
            field=models.CharField(
                db_default="generate_thumbnails",
                default="generate_thumbnails",
                editable=False,
                max_length=32,
            ),
        ),
        AddIndexOnline(
            model_name="upload",
            index=models.Index(
                condition=models.Q(
                    ("bulk", False),
                    ("deleted_at", None),
                    ("queued_at", None),
                    ("status__in", ["pending", "processing"]),
                ),
                fields=["owner", "next_step", "created_at", "id"],
                name="held_back_uploads",
            ),
        ),
    ]
