from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("uploads", "0020_clock")]

    operations = [
        migrations.AddField(
            model_name="preferences",
            name="refused_address",
            field=models.TextField(db_default="", default="", editable=False),
        ),
        migrations.AddField(
            model_name="preferences",
            name="refused_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="preferences",
            name="refused_reply",
            field=models.TextField(db_default="", default="", editable=False),
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
                    ("account.email_refused", "emails refused"),
                ],
                max_length=32,
            ),
        ),
    ]
