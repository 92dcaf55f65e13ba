"""Every migration leaves a schema with which the previous code works, and locks no table for long.

`django-migration-linter` checks the SQL instead. It needs a running PostgreSQL for that, because SQLite
recreates most tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import connection, models
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from uploads.concurrent_index import AddIndexOnline

# The last migrations before the first release. No running code can be harmed by them.
BEFORE_THE_FIRST_RELEASE = {
    "processing": "0004_focuses",
    "uploads": "0005_restoration",
}
# Operations that change nothing that exists, or that finish instantly. Others are refused, or checked below.
HARMLESS = (
    operations.CreateModel,
    operations.AlterModelManagers,
    operations.AlterModelOptions,
    operations.RemoveIndex,
    AddConstraintNotValid,
    AddIndexConcurrently,
    AddIndexOnline,
    ValidateConstraint,
)


def harms(state: ProjectState, app: str, operation: Operation) -> str:
    """Return how an operation harms the code that runs meanwhile, or "" if it does not."""
    if isinstance(operation, HARMLESS):
        return ""
    if isinstance(operation, operations.AddField):
        return harms_of_new(operation.field)
    if isinstance(operation, operations.AlterField):
        former = state.models[app, operation.model_name_lower].fields[operation.name]
        return harms_of_change(former, operation.field)
    return f"{type(operation).__name__}: old code breaks, or the table is locked"


def harms_of_new(field: models.Field[Any, Any]) -> str:
    if field.many_to_many:
        return ""
    if not field.null and not field.has_db_default():
        return "old code inserts rows without it: let it be null, or give it a db_default"
    if has_index(field):
        return "its index locks the table: leave it out, and add it by AddIndexConcurrently"
    return ""


def has_index(field: models.Field[Any, Any]) -> bool:
    # The type stubs do not declare `db_index`.
    return field.unique or bool(vars(field)["db_index"])


def harms_of_change(former: models.Field[Any, Any], field: models.Field[Any, Any]) -> str:
    if former.null and not field.null:
        return "old code stores null"
    if former.db_type(connection) != field.db_type(connection):
        return "another type: old code breaks, or the table is written anew"
    if has_index(field) != has_index(former) or field.unique != former.unique:
        return "its index locks the table"
    if former.has_db_default() and not field.has_db_default():
        return "old code inserts rows without it"
    return ""


def complaints(state: ProjectState, migration: Migration) -> Iterator[str]:
    """Yield the harms of a migration, unless its attribute `online` explains why there are none."""
    if getattr(migration, "online", ""):
        return
    for operation in migration.operations:
        harm = harms(state, migration.app_label, operation)
        if harm:
            yield f"{migration}: {operation.describe()}: {harm}"
        operation.state_forwards(migration.app_label, state)


def ours_since_the_first_release(loader: MigrationLoader) -> list[tuple[str, str]]:
    return sorted(
        (app, name)
        for app, name in loader.disk_migrations
        if app in BEFORE_THE_FIRST_RELEASE and name > BEFORE_THE_FIRST_RELEASE[app]
    )


def test_every_migration_is_safe_while_older_code_runs() -> None:
    loader = MigrationLoader(None)
    assert set(BEFORE_THE_FIRST_RELEASE.items()) <= set(loader.disk_migrations)
    found: list[str] = []
    for key in ours_since_the_first_release(loader):
        state = loader.project_state(key, at_end=False)
        found += complaints(state, loader.disk_migrations[key])
    assert found == []


# --- Tests of the check ----------------------------------------------------------------------


def add(field: models.Field[Any, Any]) -> Operation:
    return operations.AddField("upload", "note", field)


def alter(name: str, field: models.Field[Any, Any]) -> Operation:
    return operations.AlterField("upload", name, field)


def noted(operation: Operation, **attributes: object) -> list[str]:
    """Return the complaints about a migration of `uploads` with this operation."""
    loader = MigrationLoader(None)
    state = loader.project_state(("uploads", BEFORE_THE_FIRST_RELEASE["uploads"]))
    migration = type("Migration", (Migration,), {"operations": [operation], **attributes})("0009", "uploads")
    return list(complaints(state, migration))


INDEX = models.Index(fields=["ready_at"], name="ready_uploads")
GOOD = {
    "a table": operations.CreateModel("note", [("id", models.BigAutoField(primary_key=True))]),
    "a column that may be null": add(models.TextField(null=True)),
    "a column with a default in the database": add(models.TextField(db_default="")),
    "a reference without an index": add(
        models.ForeignKey("uploads.event", null=True, db_index=False, on_delete=models.CASCADE)
    ),
    "a column may be null from now on": alter("filename", models.TextField(null=True)),
    "a default from now on": alter("filename", models.TextField(db_default="")),
    "an index without a lock": AddIndexConcurrently("upload", INDEX),
    "an index less": operations.RemoveIndex("upload", name="deleted_uploads"),
}
BAD = {
    "a column that old code leaves out": add(models.TextField(default="")),
    "a column with an index": add(models.TextField(null=True, db_index=True)),
    "a reference": add(models.ForeignKey("uploads.event", null=True, on_delete=models.CASCADE)),
    "a column less": operations.RemoveField("upload", "filename"),
    "another name": operations.RenameField("upload", "filename", "name"),
    "a table less": operations.DeleteModel("heartbeat"),
    "a table of another name": operations.RenameModel("heartbeat", "beat"),
    "no null any more": alter("ready_at", models.DateTimeField(default=None)),
    "another type": alter("filename", models.BinaryField()),
    "an index under a lock": operations.AddIndex("upload", INDEX),
    "a constraint": operations.AddConstraint("upload", models.UniqueConstraint(fields=["id"], name="one")),
    "a constraint less": operations.RemoveConstraint("upload", "one_live_upload_a_person_and_original"),
    "code": operations.RunPython(lambda apps, schema_editor: None),
    "SQL": operations.RunSQL("SELECT 1"),
}


@pytest.mark.parametrize("what", GOOD)
def test_safe_operation_is_accepted(what: str) -> None:
    assert noted(GOOD[what]) == []


@pytest.mark.parametrize("what", BAD)
def test_unsafe_operation_is_refused(what: str) -> None:
    assert len(noted(BAD[what])) == 1


def test_migration_may_explain_why_it_is_safe() -> None:
    gone = BAD["a column less"]
    assert noted(gone, online="No release since 0.3 reads it.") == []
