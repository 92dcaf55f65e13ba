"""Copy the digests of the keys that Django REST framework stores in plain text."""

import hashlib
from typing import Any

from django.apps import apps as installed
from django.db import migrations
from django.utils import timezone

from uploads.tokens import legacy

# Like `NAME` in `uploads/tokens/legacy.py`.
_NAME = "API token"


def take_over(apps: Any, schema_editor: Any) -> None:
    now, connection = timezone.now(), schema_editor.connection
    if not (legacy.takes_over() and "authtoken_token" in connection.introspection.table_names()):
        return
    # The table is there only in projects with the app. A dependency on the app's migration would prevent others from
    # adding the app later.
    plain, token = installed.get_model("authtoken", "Token"), apps.get_model("uploads", "Token")
    token.objects.bulk_create(
        (
            token(
                owner_id=row.user_id,
                name=_NAME,
                scope="all",
                digest=hashlib.sha256(row.key.encode()).hexdigest(),
                prefix=row.key[:8],
                created_at=row.created,
                taken_over_at=now,
            )
            for row in plain.objects.using(connection.alias).iterator()
        ),
        batch_size=500,
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    online = (
        "It only adds rows to a new table. Old code keeps reading the plain keys, which are erased an hour "
        "later (uploads/tokens/legacy.py)."
    )

    dependencies = [
        ("uploads", "0013_tokens"),
    ]

    operations = [
        migrations.RunPython(take_over, migrations.RunPython.noop),
    ]
