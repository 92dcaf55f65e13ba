from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("processing", "0006_truncated"),
    ]

    operations = [
        migrations.AddField(
            model_name="original",
            name="deaths",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="original",
            name="fault",
            field=models.CharField(blank=True, db_default="", default="", max_length=8),
        ),
    ]
