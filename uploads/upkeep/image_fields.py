"""Image fields of other apps: each file becomes an upload, to which its row then refers.

The files are only read. Each row has a transaction to itself, so an interrupted run loses at most one
upload, which the next run makes again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import IntegrityError, transaction
from django.db.models import FileField, ForeignKey, Model, QuerySet

from processing import originals
from processing.database.batches import all_rows
from processing.errors import Refusal
from processing.images.reading.header import Header
from uploads import services
from uploads.fields import PictureField
from uploads.fields.owners import NoOwner, owner_of
from uploads.models import Upload
from uploads.owners import Owner, owner_model, owners
from uploads.receiving.form import HashedFile, hashed


class Unsuitable(Exception):
    """A name on the command line names no field that can be adopted, or no owner."""


class RowLeft(Exception):
    """A row is left as it is: `str()` says why, and `code` is for programs."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Row:
    """A row, the name of its file, and the key of its owner or, once it is adopted, of its upload."""

    pk: Any
    name: str
    related: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """An image field, and the field of the same model that refers to the uploads.

    The owner of the uploads is `owner`, or else the person to whom `owner_field` of each row leads. Without
    both, it is the owner of new pictures of the target.
    """

    field: FileField
    target: PictureField
    owner: Model | None = None
    owner_field: str = ""

    def waiting(self) -> QuerySet[Any]:
        """Return the rows that have a file and refer to no upload."""
        return self._with_file().filter(**{f"{self.target.name}__isnull": True})

    def adopted(self) -> QuerySet[Any]:
        """Return the rows that have a file and refer to an upload."""
        return self._with_file().filter(**{f"{self.target.name}__isnull": False})

    def rows(self) -> Iterator[Row]:
        """Yield the rows that wait, read in batches."""
        owner = [f"{self.owner_field}__pk"] if self.owner_field else []
        for pk, name, *owner_pk in all_rows(self.waiting(), "pk", self.field.name, *owner):
            yield Row(pk, name, owner_pk[0] if owner_pk else None)

    def adopted_rows(self) -> Iterator[Row]:
        """Yield the rows that are adopted, read in batches."""
        for fields in all_rows(self.adopted(), "pk", self.field.name, self.target.attname):
            yield Row(*fields)

    def check(self, row: Row) -> int:
        """Return the size of a row's file in bytes, without storing it. Raises what `adopt` raises."""
        # Otherwise the owner may be the site, and only `adopt` makes its user.
        if self.owner or self.owner_field or self.target.owner:
            self._owner_of(row)
        with self._opened(row) as file:
            self._examine(file)
            return file.size or 0

    def adopt(self, row: Row) -> int:
        """Make an upload of a row's file, and return its size in bytes.

        Raises `RowLeft`, or a `Refusal` if the file is not an accepted image. Raises a `TransientError` if
        the storage or the renderer is unavailable.
        """
        owner = self._owner_of(row)
        with self._opened(row) as file:
            header = self._examine(file)
            try:
                with transaction.atomic():
                    # A program that changes the row waits. One that has changed it is not overwritten.
                    unchanged = self.waiting().filter(**{"pk": row.pk, self.field.name: row.name})
                    if not unchanged.select_for_update().exists():
                        raise _changed()
                    received = services.import_upload(owner=owner, file=file, header=header)
                    unchanged.update(**{self.target.attname: received.upload.pk})
            except IntegrityError as error:
                raise _changed() from error
            return file.size or 0

    def verify(self, row: Row) -> int:
        """Compare the file of an adopted row with its stored original, and return its size in bytes.

        Raises `RowLeft` if they differ, and otherwise what `adopt` raises.
        """
        upload = Upload.objects.select_related("original").filter(pk=row.related).first()
        if upload is None:
            raise _changed()
        with self._opened(row) as file:
            if file.content_hash != upload.original.content_hash:
                raise RowLeft("differs", f"The file is not the original of {self.target.name}.")
            # Reads and hashes all its bytes.
            originals.read(upload.original)
            return file.size or 0

    def _examine(self, file: HashedFile) -> Header:
        header, byte_size = services.examine(owner=None, file=file)
        self.target.requirements.check(
            name=file.name or "",
            kind=header.format,
            size=(header.width, header.height),
            byte_size=byte_size,
        )
        return header

    def _with_file(self) -> QuerySet[Any]:
        # The managers of the model may leave rows out.
        rows: QuerySet[Any] = QuerySet(self.field.model).exclude(**{self.field.name: ""})
        return rows.exclude(**{f"{self.field.name}__isnull": True})

    def _owner_of(self, row: Row) -> Any:
        if self.owner is not None:
            return self.owner
        if not self.owner_field:
            return self._usual_owner_of(row)
        owner = owner_model().objects.filter(pk=row.related).first()
        if owner is None:
            raise RowLeft("no_owner", f"{self.owner_field} is empty. Set it, or run again with --owner.")
        return owner

    def _usual_owner_of(self, row: Row) -> Any:
        # Django would open a missing file to measure it, if it loaded the image field.
        current = QuerySet(self.field.model).defer(self.field.name).filter(pk=row.pk).first()
        if current is None:
            raise _changed()
        try:
            return owner_of(current, field=self.target.name, path=self.target.owner)
        except NoOwner as error:
            raise RowLeft("no_owner", str(error)) from error

    @contextmanager
    def _opened(self, row: Row) -> Iterator[HashedFile]:
        """Open a copy of a row's file, because the renderer and the storage read it several times."""
        with ExitStack() as stack:
            try:
                file = stack.enter_context(self.field.storage.open(row.name))
                copy = stack.enter_context(hashed(file))
            except FileNotFoundError as error:
                raise RowLeft("missing_file", "The file is not in its storage.") from error
            except Refusal:
                raise
            # Each storage has other errors.
            except Exception as error:
                raise RowLeft("unreadable_file", f"The file cannot be read: {error}") from error
            yield copy


def find(label: str, *, to: str = "", owner: str = "", owner_field: str = "") -> Adoption:
    """Return the adoption of a field that is named like `app.Model.field`.

    Raises `Unsuitable`.
    """
    model = _model(label.rpartition(".")[0], label)
    field = _field(model, label.rpartition(".")[2])
    if not isinstance(field, FileField):
        raise Unsuitable(f"{label} is not an ImageField or FileField.")
    return Adoption(
        field=field,
        target=_target(model, to),
        owner=_owner(owner) if owner else None,
        owner_field=_checked_owner_field(model, owner_field) if owner_field else "",
    )


def _changed() -> RowLeft:
    return RowLeft("changed", "The row was changed meanwhile. Run the same command again.")


def _model(name: str, label: str) -> type[Model]:
    try:
        return apps.get_model(name)
    except (LookupError, ValueError) as error:
        raise Unsuitable(f"{label} is not a field. Write it like app.Model.field.") from error


def _field(model: type[Model], name: str) -> Any:
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist as error:
        names = ", ".join(field.name for field in model._meta.get_fields())
        raise Unsuitable(f"{model.__name__} has no field {name!r}. Its fields: {names}.") from error


def _target(model: type[Model], name: str) -> PictureField:
    """Return the picture field of this name, or else the only one."""
    found = [field for field in model._meta.fields if isinstance(field, PictureField)]
    targets = [field for field in found if field.name == name] if name else found
    if not targets:
        named = f" {name!r}" if name else ""
        raise Unsuitable(f"{model.__name__} has no PictureField{named}. Add one with null=True, and migrate.")
    if len(targets) > 1:
        names = ", ".join(field.name for field in targets)
        raise Unsuitable(f"{model.__name__} has several fields for pictures: choose one by --to. ({names})")
    if not targets[0].null:
        raise Unsuitable(f"{targets[0].name} has no null=True, so no row can wait for its picture. Add it.")
    return targets[0]


def _owner(name: str) -> Owner:
    """Return the owner of this name: that of a user, or the key of another kind of owner."""
    owner = owners().find(name)
    if owner is None:
        raise Unsuitable(f"There is no owner {name!r}.")
    return owner


def _checked_owner_field(model: type[Model], path: str) -> str:
    """Return a path such as `author` or `gallery__author` that leads from a row to an owner."""
    step: Any = model
    for name in path.split("__"):
        step = _leads_to(_field(step, name)) if step else None
    if step is not owner_model():
        raise Unsuitable(f"{path} does not lead to an owner of uploads.")
    return path


def _leads_to(field: Any) -> Any:
    """Return the model to which a foreign key refers; for another field, None."""
    return field.remote_field.model._meta.concrete_model if isinstance(field, ForeignKey) else None
