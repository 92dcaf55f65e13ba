from django.db import migrations, models

import processing.correlation


class Migration(migrations.Migration):
    dependencies = [("uploads", "0027_report")]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="request_id",
            field=models.CharField(
                blank=True,
                db_default="",
                default=processing.correlation.request_id,
                editable=False,
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="request_id",
            field=models.CharField(
                blank=True,
                db_default="",
                default=processing.correlation.request_id,
                editable=False,
                max_length=64,
            ),
        ),
    ]
