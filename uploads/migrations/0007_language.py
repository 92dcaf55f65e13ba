from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("uploads", "0006_status_indexes")]

    operations = [
        migrations.AddField(
            model_name="preferences",
            name="language",
            field=models.CharField(blank=True, db_default="", default="", max_length=8),
        ),
    ]
