from django.db import migrations, models

import processing.clock


class Migration(migrations.Migration):
    online = "The database does not know these defaults: only the code gives another time to new rows."
    dependencies = [("uploads", "0019_next_step")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name=name,
                    name="created_at",
                    field=models.DateTimeField(default=processing.clock.now),
                )
                for name in ("delivery", "endpoint", "event", "privatelink", "secret", "token", "upload")
            ]
        )
    ]
