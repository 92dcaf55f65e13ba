from django.db import migrations, models

from uploads.concurrent_index import AddUniqueOnline


class Migration(migrations.Migration):
    atomic = False
    online = (
        "PostgreSQL builds the new index without blocking writes, before it drops the old one. Old code never "
        "records an event that only the new constraint permits."
    )
    dependencies = [("uploads", "0015_takedown")]

    operations = [
        AddUniqueOnline(
            model_name="event",
            constraint=models.UniqueConstraint(
                condition=models.Q(
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
                    _negated=True,
                ),
                fields=("upload", "name"),
                name="one_event_unless_repeatable",
            ),
        ),
        migrations.RemoveConstraint(model_name="event", name="one_event_of_a_name"),
    ]
