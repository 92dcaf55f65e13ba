"""The preview of an upload in a form: its picture, its state, and its focal point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse

from processing import conf
from processing.presets import Point
from uploads.forms import signed_names
from uploads.models import Upload
from uploads.serving import responsive


@dataclass(frozen=True, slots=True)
class Preview:
    """An upload as a form shows it. `name` is its signed name."""

    upload: Upload
    name: str

    @property
    def preset(self) -> str:
        """Return the preset to show, or "" if nothing is rendered yet."""
        return responsive.preview_preset(self.upload)

    @property
    def is_whole(self) -> bool:
        """Return whether the picture is shown uncropped, so that a point in it is a point of the original."""
        preset = conf.preset_named(self.preset)
        return preset is not None and preset.mode == "fit"

    @property
    def refresh_path(self) -> str:
        """Return the URL of this preview while the upload is unfinished, else ""."""
        return path_of("uploads:form_picture", self.name) if self.upload.is_unfinished else ""

    @property
    def status(self) -> str:
        """Return the class of the status."""
        return "failed" if self.upload.taken_down_at else self.upload.status

    @property
    def focus(self) -> Point:
        """Return the focal point in percent; the middle until one is found."""
        upload = self.upload
        if upload.focus:
            x, y = upload.focus.place
        elif upload.thumbnails_ready_at:
            x, y = upload.original.focus
        else:
            x, y = 0.5, 0.5
        return round(100 * x, 1), round(100 * y, 1)


def preview_of(value: Any, *, is_new: bool = False) -> Preview | None:
    """Return the preview of an upload or of its id, or None if there is no such upload."""
    upload = find(value)
    return Preview(upload, signed_names.sign(upload, is_new=is_new)) if upload else None


def named(text: str) -> Preview | None:
    """Return the preview of a signed name, or None."""
    name = signed_names.read(text)
    return preview_of(name.upload_id, is_new=name.is_new) if name else None


def find(value: Any) -> Upload | None:
    """Return the upload with this id, with the related rows that are shown, or None if it is deleted."""
    if isinstance(value, Upload):
        value = value.pk
    try:
        upload_id = value if isinstance(value, UUID) else UUID(str(value))
    except ValueError:
        return None
    return Upload.objects.shown().filter(pk=upload_id).first()


def drawn(preview: Preview) -> str:
    """Return a preview as HTML."""
    return render_to_string("uploads/forms/preview.html", {"preview": preview})


def path_of(view: str, *arguments: str) -> str:
    """Return the URL of a view, or "" if the project has not included the URLs of `uploads`."""
    try:
        return reverse(view, args=arguments)
    except NoReverseMatch:
        return ""
