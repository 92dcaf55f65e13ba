"""Represent uploads, notices, preferences and quotas as JSON."""

from math import isfinite
from typing import Any, ClassVar

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from processing.models import Focus, Rendition
from processing.presets import Point
from uploads.models import Delivery, Preferences, Step, Upload
from uploads.receiving.quotas import Usage
from uploads.serving import links


class PlaceholderSerializer(serializers.Serializer[Any]):
    """A placeholder that a client can show until the image is ready."""

    thumbhash = serializers.CharField(help_text="ThumbHash, base64")
    color = serializers.CharField(help_text="dominant colour, #rrggbb")


class PointSerializer(serializers.Serializer[Any]):
    """A point in the upright picture."""

    x = serializers.FloatField(
        min_value=0, max_value=1, help_text="distance from the left edge, as a fraction of the width"
    )
    y = serializers.FloatField(
        min_value=0, max_value=1, help_text="distance from the top edge, as a fraction of the height"
    )


@extend_schema_field(PointSerializer)
class FocusField(serializers.Field[Any, Any, dict[str, float], Any]):
    """The focal point that the owner has set."""

    default_error_messages: ClassVar = {"invalid": "Send x and y, each from 0 to 1, or null."}

    def to_internal_value(self, data: Any) -> Point:
        """Return the point."""
        point = PointSerializer(data=data)
        # NaN passes the minimum and the maximum.
        if not point.is_valid() or not all(map(isfinite, point.validated_data.values())):
            self.fail("invalid")
        return point.validated_data["x"], point.validated_data["y"]

    def to_representation(self, focus: Focus) -> dict[str, float]:
        """Return the stored point, rounded to thousandths."""
        return dict(zip(("x", "y"), focus.place, strict=True))


class MetadataSerializer(serializers.Serializer[Any]):
    """The metadata of the file."""

    camera = serializers.CharField(help_text="make and model; empty if unknown")
    profile = serializers.CharField(
        help_text="description of the embedded ICC profile; empty if there is none"
    )
    frames = serializers.IntegerField(help_text="1 for a still image")
    gps = serializers.BooleanField(help_text="whether the file contains a GPS position")
    taken_at = serializers.CharField(
        allow_null=True,
        help_text="capture time in ISO 8601 by the camera's clock, with its offset from UTC "
        "if the file has it; null if unknown",
    )


class ErrorSerializer(serializers.Serializer[Any]):
    """The reason why an upload failed."""

    code = serializers.CharField()
    detail = serializers.CharField()


class TakedownSerializer(serializers.Serializer[Any]):
    """The reason why staff withhold the picture, and since when."""

    reason = serializers.CharField()
    at = serializers.DateTimeField()


class StepSerializer(serializers.Serializer[Any]):
    """One step of the chain."""

    name = serializers.ChoiceField(Step.Name.choices)
    state = serializers.ChoiceField(["waiting", "running", "done", "failed"])
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class RenditionSerializer(serializers.ModelSerializer[Rendition]):
    """A rendition with its permanent URL."""

    url = serializers.SerializerMethodField()

    class Meta:
        model = Rendition
        fields = ("preset", "format", "url", "width", "height", "byte_size")

    def get_url(self, rendition: Rendition) -> str:
        """Return the absolute permanent URL."""
        path = links.rendition_path(self.context["upload"], rendition)
        return str(self.context["request"].build_absolute_uri(path))


class UploadSerializer(serializers.ModelSerializer[Upload]):
    """An upload, as its owner sees it."""

    content_hash = serializers.CharField(source="original.content_hash", read_only=True)
    format = serializers.CharField(source="original.format", read_only=True)
    width = serializers.IntegerField(source="original.width", read_only=True)
    height = serializers.IntegerField(source="original.height", read_only=True)
    byte_size = serializers.IntegerField(source="original.byte_size", read_only=True)
    error = serializers.SerializerMethodField()
    takedown = serializers.SerializerMethodField()
    placeholder = serializers.SerializerMethodField()
    metadata = serializers.SerializerMethodField()
    taken_at = serializers.SerializerMethodField(help_text="capture time, as in `metadata`")
    truncated = serializers.SerializerMethodField(
        help_text="whether the file ends too early, so that a part of the picture may be missing"
    )
    focus = FocusField(allow_null=True, required=False)
    duplicate = serializers.SerializerMethodField()
    steps = serializers.SerializerMethodField()
    renditions = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()
    image_url = serializers.SerializerMethodField()

    class Meta:
        model = Upload
        fields = (
            "id", "status", "filename", "content_hash", "format", "width", "height", "byte_size",
            "created_at", "replaced_at", "ready_at", "error", "takedown", "placeholder", "metadata",
            "taken_at", "truncated", "focus", "alt", "visibility", "duplicate", "steps", "renditions", "url",
            "image_url",
        )  # fmt: skip
        read_only_fields = tuple(name for name in fields if name not in {"alt", "visibility", "focus"})

    @extend_schema_field(ErrorSerializer(allow_null=True))
    def get_error(self, upload: Upload) -> dict[str, str] | None:
        """Return the reason if the upload failed."""
        if upload.status != Upload.Status.FAILED:
            return None
        return {"code": upload.error_code, "detail": upload.failure}

    @extend_schema_field(TakedownSerializer(allow_null=True))
    def get_takedown(self, upload: Upload) -> dict[str, Any] | None:
        """Return the takedown, or null."""
        if not upload.taken_down_at:
            return None
        takedown = TakedownSerializer({"reason": upload.takedown_reason, "at": upload.taken_down_at})
        return dict(takedown.data)

    @extend_schema_field(PlaceholderSerializer(allow_null=True))
    def get_placeholder(self, upload: Upload) -> dict[str, str] | None:
        """Return the placeholder if this upload's first step has finished, and it is not taken down."""
        return upload.placeholder

    @extend_schema_field(MetadataSerializer(allow_null=True))
    def get_metadata(self, upload: Upload) -> dict[str, Any] | None:
        """Return the metadata if this upload's first step has finished."""
        return upload.original.metadata if upload.thumbnails_ready_at else None

    def get_taken_at(self, upload: Upload) -> str | None:
        """Return the capture time if this upload's first step has finished."""
        return (self.get_metadata(upload) or {}).get("taken_at")

    def get_truncated(self, upload: Upload) -> bool:
        """Return whether the file ends too early; false until this upload's first step has finished."""
        return upload.is_truncated

    def get_duplicate(self, upload: Upload) -> bool:
        """Return whether this request sent a duplicate."""
        return bool(self.context.get("duplicate", False))

    @extend_schema_field(StepSerializer(many=True))
    def get_steps(self, upload: Upload) -> list[dict[str, Any]]:
        """Return the steps in the order of the chain."""
        rows = {step.name: step for step in upload.steps.all()}
        return [dict(StepSerializer(_step(upload, name, rows.get(name))).data) for name in Step.Name]

    @extend_schema_field(RenditionSerializer(many=True))
    def get_renditions(self, upload: Upload) -> Any:
        """Return the renditions so far, smallest first; none while it is taken down."""
        context = {**self.context, "upload": upload}
        rows = [] if upload.taken_down_at else upload.shown_renditions()
        return RenditionSerializer(rows, many=True, context=context).data

    def get_url(self, upload: Upload) -> str:
        """Return the absolute URL of this JSON."""
        return self._absolute(reverse("uploads:api:upload-detail", args=[upload.pk]))

    def get_image_url(self, upload: Upload) -> str:
        """Return the absolute URL of the picture, in a medium size.

        If the upload is private, the URL opens only for its owner, or with the token of a private link.
        """
        return self._absolute(links.picture_path(upload, links.main_preset()))

    def _absolute(self, path: str) -> str:
        return str(self.context["request"].build_absolute_uri(path))


class FileSerializer(serializers.Serializer[Any]):
    """The body of a request that replaces the file of an upload."""

    file = serializers.FileField(allow_empty_file=True, max_length=None)


class NewUploadSerializer(FileSerializer):
    """The body of a request that uploads an image."""

    visibility = serializers.ChoiceField(Upload.Visibility.choices, default=Upload.Visibility.UNLISTED)


class DeletionSerializer(serializers.Serializer[Any]):
    """The query of a request that deletes an upload."""

    permanent = serializers.BooleanField(
        default=False,
        help_text="Delete for good: the upload cannot be restored, and its quota is free at once.",
    )


def _step(upload: Upload, name: str, row: Step | None) -> dict[str, Any]:
    started_at, finished_at = (row.started_at, row.finished_at) if row else (None, None)
    if finished_at:
        state = "done"
    elif upload.status == Upload.Status.FAILED and started_at:
        state = "failed"
    else:
        state = "running" if started_at else "waiting"
    return {"name": name, "state": state, "started_at": started_at, "finished_at": finished_at}


class NoticeSerializer(serializers.ModelSerializer[Delivery]):
    """A notice, as its owner sees it. `upload` is null after the upload has been purged."""

    event = serializers.CharField(source="event.name", read_only=True)
    upload = serializers.UUIDField(source="event.upload_id", read_only=True, allow_null=True)

    class Meta:
        model = Delivery
        fields = ("id", "subject", "event", "upload", "created_at", "read_at")
        read_only_fields = fields


class ReadSerializer(serializers.Serializer[Any]):
    """The notices to mark as read. Without `ids`, all notices are marked."""

    ids = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=1000)


class UnreadSerializer(serializers.Serializer[Any]):
    """The number of unread notices."""

    unread = serializers.IntegerField()


class PreferencesSerializer(serializers.ModelSerializer[Preferences]):
    """A person's preferences."""

    class Meta:
        model = Preferences
        fields = ("email",)


class UsedSerializer(serializers.Serializer[Any]):
    """The amount in use, and its limit."""

    used = serializers.IntegerField()
    limit = serializers.IntegerField(allow_null=True, help_text="null if there is no limit")


class QuotaSerializer(serializers.Serializer[Any]):
    """The images and bytes that a person keeps, and the quota."""

    images = UsedSerializer()
    bytes = UsedSerializer()

    def to_representation(self, usage: Usage) -> dict[str, dict[str, int | None]]:
        """Return the usage of images and of bytes."""
        return {
            "images": {"used": usage.images, "limit": usage.max_images},
            "bytes": {"used": usage.bytes, "limit": usage.max_bytes},
        }
