from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("uploads", "0014_hash_tokens"),
    ]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="takedown_reason",
            field=models.TextField(blank=True, db_default="", default="", editable=False),
        ),
        migrations.AddField(
            model_name="upload",
            name="taken_down_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AlterField(
            model_name="event",
            name="name",
            field=models.CharField(
                choices=[
                    ("upload.received", "received"),
                    ("upload.thumbnails_ready", "thumbnails ready"),
                    ("upload.ready", "ready"),
                    ("upload.failed", "failed"),
                    ("upload.deleted", "deleted"),
                    ("upload.restored", "restored"),
                    ("upload.reprocessed", "reprocessed"),
                    ("upload.taken_down", "taken down by staff"),
                    ("upload.put_back", "put back by staff"),
                    ("webhook.test", "webhook tested"),
                    ("webhook.disabled", "webhook disabled"),
                    ("account.password_changed", "password changed"),
                ],
                max_length=32,
            ),
        ),
    ]
