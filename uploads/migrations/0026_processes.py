from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("uploads", "0025_quiet")]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="presets",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=16),
        ),
        migrations.AddField(
            model_name="upload",
            name="presets_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.CreateModel(
            name="Process",
            fields=[
                ("name", models.CharField(max_length=255, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[("web", "Web"), ("worker", "Worker"), ("beat", "Beat")], max_length=6
                    ),
                ),
                ("version", models.CharField(max_length=32)),
                ("queues", models.JSONField(default=list)),
                ("presets", models.JSONField(default=dict)),
                ("began_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
            ],
        ),
    ]
