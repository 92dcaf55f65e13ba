from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import AddIndex
from django.db.migrations.state import ProjectState


class AddIndexOnline(AddIndexConcurrently):
    """Build an index while others write; SQLite knows no such thing, and is quick."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        forwards = AddIndexConcurrently if schema_editor.connection.vendor == "postgresql" else AddIndex
        forwards.database_forwards(self, app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        backwards = AddIndexConcurrently if schema_editor.connection.vendor == "postgresql" else AddIndex
        backwards.database_backwards(self, app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("uploads", "0005_restoration"),
    ]
    operations = [
        AddIndexOnline(
            model_name="upload",
            index=models.Index(
                condition=models.Q(("deleted_at", None)),
                fields=["status", "-created_at", "-id"],
                name="live_uploads",
            ),
        ),
        AddIndexOnline(
            model_name="upload",
            index=models.Index(
                condition=models.Q(("deleted_at", None), ("ready_at__isnull", False)),
                fields=["ready_at"],
                name="ready_uploads",
            ),
        ),
    ]
