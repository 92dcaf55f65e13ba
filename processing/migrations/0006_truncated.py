from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("processing", "0005_pending_files"),
    ]

    operations = [
        migrations.AddField(
            model_name="original",
            name="truncated",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
