from django.db import migrations, models

from uploads.concurrent_index import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("uploads", "0017_reservations")]

    operations = [
        AddIndexOnline(
            model_name="event",
            index=models.Index(
                condition=models.Q(
                    ("upload", None),
                    (
                        "name__in",
                        [
                            "upload.deleted",
                            "upload.restored",
                            "upload.reprocessed",
                            "upload.taken_down",
                            "upload.put_back",
                        ],
                    ),
                    _connector="OR",
                ),
                fields=["created_at"],
                name="aging_events",
            ),
        ),
        AddIndexOnline(
            model_name="delivery",
            index=models.Index(fields=["channel", "created_at"], name="aging_deliveries"),
        ),
    ]
