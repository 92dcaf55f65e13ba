from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("uploads", "0024_verdict")]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="quiet",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]
