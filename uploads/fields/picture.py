"""The field for the picture of a row: a relation to an upload, which takes files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core import checks
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile, File
from django.db import models
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor

from processing import conf, refusals
from processing.errors import Refusal
from processing.presets import InvalidPreset
from uploads import services
from uploads.fields.owners import known_owner, owner_of
from uploads.fields.requirements import Requirements
from uploads.forms import PictureFormField, SentPicture
from uploads.models import Upload

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models.expressions import Combinable

# The arguments of a related field in a form, which a picture's form field does not take.
_OF_CHOICES = ("queryset", "limit_choices_to", "to_field_name", "using", "blank", "empty_label")


class PictureGone(Exception):
    """The upload that a row is to show has been deleted: choose the picture again."""


@dataclass(slots=True, eq=False)
class _Pending:
    """A picture that is stored when its row is saved; it stands in place of the upload's id until then."""

    sent: SentPicture
    # The path and the bytes are opened only when they are read.
    data: bytes | PathLike[str] | None = None
    checked: bool = False

    @property
    def shown(self) -> Any:
        """Return the value that was assigned."""
        return self.data if self.data is not None else self.sent.source

    @contextmanager
    def file(self) -> Iterator[File[Any]]:
        """Lend the file."""
        if isinstance(self.sent.source, File):
            yield self.sent.source
        elif isinstance(self.data, bytes):
            yield ContentFile(self.data)
        elif self.data is not None:
            with Path(fspath(self.data)).open("rb") as opened:
                yield File(opened)


# Django's class takes no type parameter at run time.
class PictureDescriptor(ForwardManyToOneDescriptor):  # type: ignore[type-arg]
    """The attribute of a row: its upload, or until the row is saved the file that was assigned."""

    field: PictureField

    def __get__(self, instance: models.Model | None, cls: Any = None) -> Any:
        """Return the upload, or None."""
        if instance is None:
            return self
        value = instance.__dict__.get(self.field.attname)
        if isinstance(value, _Pending):
            return value.shown
        upload: Any = super().__get__(instance, cls)
        if upload is not None:
            upload.offered = self.field.presets
        return upload

    def __set__(self, instance: models.Model, value: Any) -> None:
        """Take an upload, a file, a path, bytes, the value of a form or None."""
        if isinstance(value, SentPicture) and value.source is None:
            current = getattr(instance, self.field.name, None)
            if not isinstance(current, Upload):
                return
            value = replace(value, source=current)
        pending = self._pending(value)
        if pending is not None:
            setattr(instance, self.field.attname, pending)
            return
        # The upload of a migration has a class of its own.
        if value is not None and not isinstance(value, models.Model):
            raise TypeError(
                f"{type(instance).__name__}.{self.field.name} takes an Upload, a File of Django, a "
                f"pathlib.Path, bytes or None, not {value!r}."
            )
        super().__set__(instance, value)
        instance.__dict__[self.field.assigned] = value is not None

    def _pending(self, value: Any) -> _Pending | None:
        if isinstance(value, SentPicture):
            return _Pending(value)
        if isinstance(value, File):
            return _Pending(SentPicture(source=value))
        if isinstance(value, bytes | PathLike):
            return _Pending(SentPicture(), data=value)
        return None


class PictureField(models.ForeignKey[Any, Any]):
    """A relation to an upload that takes files, and stores them with the row.

    `presets` are the names of those that the field offers, and the other arguments limit its pictures; see
    `Requirements`. `owner` is the path to the attribute of the row that owns new pictures, such as `author`.
    """

    description = "A picture"
    forward_related_accessor_class = PictureDescriptor
    if TYPE_CHECKING:
        # django-stubs takes from it what may be assigned to the attribute of a row.
        _pyi_private_set_type: (
            Upload | File[bytes] | File[str] | bytes | PathLike[str] | SentPicture | Combinable
        )

    def __init__(
        self,
        *,
        presets: Sequence[str] = (),
        kinds: Sequence[str] = (),
        max_bytes: int | None = None,
        min_width: int | None = None,
        min_height: int | None = None,
        max_width: int | None = None,
        max_height: int | None = None,
        owner: str = "",
        **kwargs: Any,
    ) -> None:
        self.presets = tuple(presets)
        self.requirements = Requirements(
            kinds=tuple(kinds),
            max_bytes=max_bytes,
            min_width=min_width,
            min_height=min_height,
            max_width=max_width,
            max_height=max_height,
        )
        self.owner = owner
        # An upload that its owner deletes leaves the row. RESTRICT lets an owner be deleted with both.
        self._usual_on_delete = models.SET_NULL if kwargs.get("null") else models.RESTRICT
        kwargs.setdefault("to", "uploads.Upload")
        kwargs.setdefault("on_delete", self._usual_on_delete)
        kwargs.setdefault("related_name", "+")
        super().__init__(**kwargs)

    @property
    def assigned(self) -> str:
        """Return the key in a row's `__dict__` that says whether an upload was assigned to it."""
        return f"_{self.name}_assigned"

    def deconstruct(self) -> Any:
        """Return the field for a migration, without what does not concern the database."""
        name, _path, args, kwargs = super().deconstruct()
        del kwargs["to"]
        if kwargs["on_delete"] is self._usual_on_delete:
            del kwargs["on_delete"]
        if kwargs.get("related_name") == "+":
            del kwargs["related_name"]
        return name, "uploads.fields.PictureField", args, kwargs

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Return an error for each unknown preset, kind and owner, and for impossible sizes."""
        return [*super().check(**kwargs), *self._check_presets(), *self._check_limits(), *self._check_owner()]

    def to_python(self, value: Any) -> Any:
        """Return the id of an upload; a picture that is not stored yet has none."""
        return value if isinstance(value, _Pending) else super().to_python(value)

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        """Raise `ValidationError` if the picture cannot be received, or does not meet the requirements."""
        try:
            if isinstance(value, _Pending):
                self._examine(model_instance, value)
                return
            super().validate(value, model_instance)
            if model_instance is not None and model_instance.__dict__.get(self.assigned):
                self._check_upload(getattr(model_instance, self.name))
        except Refusal as refusal:
            raise ValidationError(refusals.sentence(refusal), code=refusal.code) from refusal

    def save_form_data(self, instance: models.Model, data: SentPicture | bool | None) -> None:
        """Take the value of the form field: None keeps the picture, and False removes it."""
        if data is not None:
            setattr(instance, self.name, data or None)

    def formfield(self, **kwargs: Any) -> Any:
        """Return the form field of a picture."""
        given = {name: value for name, value in kwargs.items() if name not in _OF_CHOICES}
        return models.Field.formfield(self, **{"form_class": PictureFormField, **given})

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Store a new picture in the transaction that saves its row.

        Raises `Refusal`, `StorageUnavailable`, `NoOwner` or `PictureGone`.
        """
        value = getattr(model_instance, self.attname)
        if isinstance(value, _Pending):
            upload = self._store(model_instance, value)
            self._describe(upload, value.sent)
            setattr(model_instance, self.name, upload)
        elif value is not None and model_instance.__dict__.get(self.assigned):
            # An upload that was stored for this row is gone if its transaction was rolled back.
            self._keep(value)
        return super().pre_save(model_instance, add)

    def _store(self, row: models.Model, pending: _Pending) -> Upload:
        source = pending.sent.source
        # Receiving the file examines it too, but does not know the requirements.
        if not pending.checked and self.requirements != Requirements():
            self._examine(row, pending)
        if isinstance(source, Upload):
            self._keep(source.pk)
            return source
        owner: User = owner_of(row, field=self.name, path=self.owner, sender=pending.sent.owner)
        with pending.file() as file:
            return services.receive_upload(owner=owner, file=file, by_field=True).upload

    def _keep(self, upload_id: UUID) -> None:
        if not services.keep_upload(upload_id=upload_id):
            raise PictureGone(f"The upload {upload_id} has been deleted. Choose the picture again.")

    def _describe(self, upload: Upload, sent: SentPicture) -> None:
        if sent.alt is not None:
            services.set_alt(upload=upload, alt=sent.alt)
        if sent.focus is not None:
            services.set_focus(upload=upload, point=sent.focus)

    def _examine(self, row: models.Model | None, pending: _Pending) -> None:
        """Raise a `Refusal` if the picture cannot be received, as far as that is known before it is."""
        source = pending.sent.source
        if isinstance(source, Upload):
            self._check_upload(source)
        else:
            owner = known_owner(row, field=self.name, path=self.owner) if row is not None else None
            with pending.file() as file:
                header, byte_size = services.examine(owner=owner, file=file)
            self.requirements.check(
                name=file.name or "",
                kind=header.format,
                size=(header.width, header.height),
                byte_size=byte_size,
            )
        pending.checked = True

    def _check_upload(self, upload: Upload) -> None:
        original = upload.original
        self.requirements.check(
            name=upload.filename,
            kind=original.format,
            size=(original.width, original.height),
            byte_size=original.byte_size,
        )

    def _check_presets(self) -> list[checks.CheckMessage]:
        try:
            known = sorted(preset.name for preset in conf.presets())
        except (InvalidPreset, AttributeError, TypeError):
            return []  # darkroom.E001 and E007 report what is no preset.
        return [
            self._error(f"presets names {name!r}. Known presets: {', '.join(known)}.", "E050")
            for name in self.presets
            if name not in known
        ]

    def _check_limits(self) -> list[checks.CheckMessage]:
        return [self._error(problem, "E051") for problem in self.requirements.problems()]

    def _check_owner(self) -> list[checks.CheckMessage]:
        first = self.owner.partition(".")[0]
        if not first or hasattr(self.model, first):
            return []
        return [self._error(f"owner names {first!r}, which {self.model.__name__} does not have.", "E052")]

    def _error(self, sentence: str, number: str) -> checks.Error:
        hint = "docs/fields-and-forms.md describes the arguments of PictureField."
        return checks.Error(f"PictureField: {sentence}", hint=hint, obj=self, id=f"darkroom.{number}")
