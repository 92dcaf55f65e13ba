import django.db.models.deletion
from django.db import migrations, models

from uploads.concurrent_index import AddIndexOnline, AddUniqueOnline

REPEATED = [
    "upload.deleted",
    "upload.restored",
    "upload.reprocessed",
    "upload.taken_down",
    "upload.put_back",
    "upload.replaced",
]


class Migration(migrations.Migration):
    atomic = False
    online = (
        "PostgreSQL builds the new indexes without blocking writes, before it drops the old ones. Old code "
        "records each event for version 0, as before."
    )
    dependencies = [
        ("processing", "0008_clock"),
        ("uploads", "0022_fields"),
    ]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="version",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="upload",
            name="replaced_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="reservation",
            name="images",
            field=models.PositiveSmallIntegerField(db_default=1, default=1),
        ),
        migrations.AddField(
            model_name="event",
            name="version",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
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
                    ("upload.replaced", "file replaced"),
                    ("webhook.test", "webhook tested"),
                    ("webhook.disabled", "webhook disabled"),
                    ("account.password_changed", "password changed"),
                    ("account.email_refused", "emails refused"),
                ],
                max_length=32,
            ),
        ),
        migrations.CreateModel(
            name="FormerFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("expires_at", models.DateTimeField(db_index=True)),
                (
                    "focus",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="former_files",
                        to="processing.focus",
                    ),
                ),
                (
                    "original",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="former_files",
                        to="processing.original",
                    ),
                ),
                (
                    "upload",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="former_files",
                        to="uploads.upload",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("upload", "original"), name="one_row_a_former_file")
                ],
            },
        ),
        AddIndexOnline(
            model_name="upload",
            index=models.Index(
                condition=models.Q(("deleted_at", None)),
                fields=["owner", "filename", "id"],
                name="named_uploads",
            ),
        ),
        AddUniqueOnline(
            model_name="event",
            constraint=models.UniqueConstraint(
                condition=models.Q(("name__in", REPEATED), _negated=True),
                fields=("upload", "version", "name"),
                name="one_event_a_version_unless_repeatable",
            ),
        ),
        migrations.RemoveConstraint(model_name="event", name="one_event_unless_repeatable"),
        AddIndexOnline(
            model_name="event",
            index=models.Index(
                condition=models.Q(("upload", None), ("name__in", REPEATED), _connector="OR"),
                fields=["created_at"],
                name="ending_events",
            ),
        ),
        migrations.RemoveIndex(model_name="event", name="aging_events"),
    ]
