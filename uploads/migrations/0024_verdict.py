from django.db import migrations, models

import processing.clock


class Migration(migrations.Migration):
    dependencies = [
        ("uploads", "0023_replacement"),
    ]

    operations = [
        migrations.CreateModel(
            name="Verdict",
            fields=[
                ("content_hash", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("hooks", models.CharField(max_length=64)),
                ("passed", models.BooleanField()),
                ("hook", models.TextField(blank=True)),
                ("reason", models.TextField(blank=True)),
                ("decided_at", models.DateTimeField(default=processing.clock.now)),
            ],
        ),
    ]
