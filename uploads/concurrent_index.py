"""Changes of tables that are made while the site runs on."""

from django.contrib.postgres.operations import AddIndexConcurrently
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
        """Add the index."""
        forwards = AddIndexConcurrently if schema_editor.connection.vendor == "postgresql" else AddIndex
        forwards.database_forwards(self, app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Remove it."""
        backwards = AddIndexConcurrently if schema_editor.connection.vendor == "postgresql" else AddIndex
        backwards.database_backwards(self, app_label, schema_editor, from_state, to_state)
