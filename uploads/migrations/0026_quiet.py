from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("uploads", "0021_refused_address")]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="quiet",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]
