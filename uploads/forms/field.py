"""The form field of a picture."""

from typing import Any, Literal

from django import forms
from django.core.files.base import File

from uploads.forms.values import SentPicture


class PictureFormField(forms.FileField):
    """A form field that takes a picture, or removes the one that is there."""

    def clean(self, data: Any, initial: Any = None) -> SentPicture | Literal[False] | None:
        """Return the sent picture, False if the picture is to be removed, or None if it stays."""
        value = super().clean(data, initial)
        if value is False:
            return False
        return SentPicture(source=value) if isinstance(value, File) else None
