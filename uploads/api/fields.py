"""The serializer field for a `PictureField`: it takes a file or the id of an upload, and returns the picture.

A project names `PictureSerializerField` in a serializer, or derives it from `PictureModelSerializer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from django.core.files.base import File
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers

from processing import conf
from processing.errors import Refusal
from processing.presets import Preset
from processing.refusals import sentence
from uploads import services
from uploads.api.serializers import PlaceholderSerializer
from uploads.fields import PictureField
from uploads.forms import SentPicture
from uploads.models import Upload
from uploads.owners import Owner, owner_of
from uploads.tokens import scopes

if TYPE_CHECKING:
    from django.db.models import Model
    from drf_spectacular.openapi import AutoSchema
    from drf_spectacular.utils import Direction
    from rest_framework.utils.model_meta import RelationInfo

# Pages show this width, or the next smaller one that the field offers.
_USUAL_WIDTH = 1280


class PictureSerializer(serializers.Serializer[Any]):
    """A picture of a row."""

    url = serializers.CharField(help_text="of the picture in one size; a placeholder until it is ready")
    srcset = serializers.CharField(help_text="URLs and widths of all sizes; empty until one is ready")
    width = serializers.IntegerField(help_text="of the picture at `url`, in pixels")
    height = serializers.IntegerField(help_text="of the picture at `url`, in pixels")
    placeholder = PlaceholderSerializer(allow_null=True)
    status = serializers.ChoiceField(Upload.Status.choices)
    alt = serializers.CharField(help_text="the text alternative; empty if there is none")


class PictureSerializerField(serializers.Field[Any, Any, dict[str, Any], Any]):
    """The picture of a row.

    A request sends a file, the id of one of its person's own uploads, or null. `preset` is the size of `url`,
    by default the largest that the field offers up to 1280 pixels wide. A refused file is a validation error
    with the code of the refusal.
    """

    default_error_messages: ClassVar = {
        "invalid": "Send a file, or the id of an upload.",
        "not_found": "You have no upload with this id. Upload the image first.",
    }

    def __init__(self, *, preset: str = "", **kwargs: Any) -> None:
        self.preset = preset
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> SentPicture:
        """Return the picture that the row is to show, which is stored with the row."""
        if isinstance(data, File):
            return self._file(data)
        try:
            identity = UUID(data) if isinstance(data, str) else None
        except ValueError:
            identity = None
        if identity is None:
            self.fail("invalid")
        return self._upload(identity)

    def to_representation(self, upload: Upload) -> dict[str, Any]:
        """Return the picture, with absolute URLs if the serializer knows the request."""
        preset = self._shown_preset(upload)
        size = preset.output_size((upload.original.width, upload.original.height))
        return {
            "url": self._absolute(upload.url(preset.name)),
            "srcset": ", ".join(self._candidate(text) for text in upload.srcset().split(", ") if text),
            "width": size[0],
            "height": size[1],
            "placeholder": upload.placeholder,
            "status": upload.status,
            "alt": upload.alt,
        }

    def _file(self, file: File[Any]) -> SentPicture:
        owner = self._person()
        try:
            header, byte_size = services.examine(owner=owner, file=file)
            self._require(
                name=file.name or "",
                kind=header.format,
                size=(header.width, header.height),
                byte_size=byte_size,
            )
        except Refusal as refusal:
            raise serializers.ValidationError(sentence(refusal), code=refusal.code) from refusal
        return SentPicture(source=file, owner=owner)

    def _upload(self, identity: UUID) -> SentPicture:
        person = self._person()
        own = Upload.objects.shown().filter(owner=person) if person else Upload.objects.none()
        upload = scopes.readable(own, getattr(self.context.get("request"), "auth", None)).filter(pk=identity)
        found = upload.first()
        if found is None:
            self.fail("not_found")
        original = found.original
        try:
            self._require(
                name=found.filename,
                kind=original.format,
                size=(original.width, original.height),
                byte_size=original.byte_size,
            )
        except Refusal as refusal:
            raise serializers.ValidationError(sentence(refusal), code=refusal.code) from refusal
        return SentPicture(source=found)

    def _require(self, **properties: Any) -> None:
        """Raise a `Refusal` if the field of the model does not accept such a picture."""
        field = self._model_field()
        if field is not None:
            field.requirements.check(**properties)

    def _model_field(self) -> PictureField | None:
        """Return the field of the serializer's model, or None if it has none of this name."""
        model: type[Model] | None = getattr(getattr(self.parent, "Meta", None), "model", None)
        fields = model._meta.get_fields() if model else ()
        named = (field for field in fields if isinstance(field, PictureField) and field.name == self.source)
        return next(named, None)

    def _person(self) -> Owner | None:
        """Return the owner for whom the request acts, or None."""
        request = self.context.get("request")
        return owner_of(request) if request is not None else None

    def _shown_preset(self, upload: Upload) -> Preset:
        if self.preset:
            return conf.known_preset(self.preset, among=upload.offered)
        presets = upload.offered_presets()
        usual = [preset for preset in presets if (preset.width or 0) <= _USUAL_WIDTH]
        return (usual or presets[-1:])[0]

    def _candidate(self, text: str) -> str:
        """Return a part of a `srcset` with an absolute URL."""
        url, space, width = text.partition(" ")
        return f"{self._absolute(url)}{space}{width}"

    def _absolute(self, url: str) -> str:
        request = self.context.get("request")
        return request.build_absolute_uri(url) if request is not None else url


class PictureModelSerializer(serializers.ModelSerializer[Any]):
    """A `ModelSerializer` that represents each `PictureField` of its model by a `PictureSerializerField`.

    Django REST framework has no registry for relations: its own serializer would accept every upload's id.
    """

    def build_relational_field(
        self, field_name: str, relation_info: RelationInfo
    ) -> tuple[type[serializers.Field[Any, Any, Any, Any]], dict[str, Any]]:
        """Return the class of the serializer's field, and its arguments."""
        field = relation_info.model_field
        if not isinstance(field, PictureField):
            return super().build_relational_field(field_name, relation_info)
        return PictureSerializerField, {
            "allow_null": field.null,
            "required": not (field.null or field.has_default()),
        }


class PictureFieldExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Describe the field in the schema: what requests send differs from what responses contain."""

    target_class = PictureSerializerField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        """Return the schema of a request's or a response's value."""
        if direction == "request":
            return {
                "oneOf": [
                    {"type": "string", "format": "binary", "description": "a file"},
                    {"type": "string", "format": "uuid", "description": "the id of an upload"},
                ]
            }
        return auto_schema.resolve_serializer(PictureSerializer(), direction).ref
