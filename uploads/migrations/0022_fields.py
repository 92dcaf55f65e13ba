from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("uploads", "0021_refused_address")]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="alt",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=1000, verbose_name="text alternative"
            ),
        ),
        migrations.AddField(
            model_name="upload",
            name="made_by_field",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="upload",
            name="unused_since",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
