from django.db import migrations, models

import processing.clock


class Migration(migrations.Migration):
    online = "The database does not know these defaults: only the code gives another time to new rows."
    dependencies = [("processing", "0007_deaths")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="original",
                    name="created_at",
                    field=models.DateTimeField(db_index=True, default=processing.clock.now),
                ),
                migrations.AlterField(
                    model_name="rendition",
                    name="rendered_at",
                    field=models.DateTimeField(default=processing.clock.now),
                ),
            ]
        )
    ]
