"""The form field of a picture."""

from __future__ import annotations

from math import isfinite
from typing import Any, ClassVar, Literal

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from processing.presets import Point, point_text
from uploads.forms import signed_names
from uploads.forms.preview import find
from uploads.forms.values import Posted, Redrawn, SentPicture
from uploads.forms.widget import PictureInput
from uploads.models import Upload

LONGEST_ALT = Upload._meta.get_field("alt").max_length or 0


class PictureFormField(forms.FileField):
    """A picture of a form: new, kept or removed, with its text alternative and its focal point.

    The cleaned value is a `SentPicture`, None (the picture stays) or False (it is removed). The initial value
    is an upload or its id. `asks_alt` shows the field for the text alternative.
    """

    widget = PictureInput
    default_error_messages: ClassVar = {
        "contradiction": _("Choose a new picture or remove the old one, not both."),
        "gone": _("The picture that you sent is no longer there. Choose it again."),
        "focus": _("The focal point is not valid. Set it again."),
        "alt": _("The text alternative is too long. Shorten it."),
    }

    def __init__(self, *, asks_alt: bool = True, **options: Any) -> None:
        super().__init__(**options)
        if isinstance(self.widget, PictureInput):
            self.widget.label = str(self.label or "")
            self.widget.asks_alt = asks_alt

    def clean(self, data: Any, initial: Any = None) -> Literal[False] | SentPicture | None:
        """Return the change that the form makes.

        Raises `ValidationError`.
        """
        if not isinstance(data, Posted):  # the field is disabled, or the form has another widget
            return None
        current = find(initial) if initial else None
        if data.remove and not self.required:
            if data.file:
                raise self._error("contradiction")
            return False if initial else None
        if data.alt and len(data.alt) > LONGEST_ALT:
            raise self._error("alt")
        source = self.to_python(data.file) or self._sent(data)
        if source is None:
            if current is None and self.required:
                raise self._error("required")
            return _changed(data, current, self._point(data)) if current else None
        self.validate(source)
        self.run_validators(source)
        return SentPicture(source=source, alt=_new_alt(data, current), focus=self._point(data))

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return the value with which an invalid form is shown again."""
        return Redrawn(data, initial) if isinstance(data, Posted) else initial

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether the form would change something."""
        if self.disabled or not isinstance(data, Posted):
            return False
        name = signed_names.read(data.shown) if data.shown else None
        if data.file or data.remove or data.focus or (name and name.is_new):
            return True
        current = find(initial) if initial else None
        return data.alt is not None and data.alt != (current.alt if current else "")

    def _sent(self, data: Posted) -> Upload | None:
        """Return the upload that was sent before the form, or None if the form only shows the old one."""
        name = signed_names.read(data.shown) if data.shown else None
        if name is None or not name.is_new:
            return None
        upload = find(name.upload_id)
        if upload is None:
            raise self._error("gone")
        return upload

    def _point(self, data: Posted) -> Point | None:
        if not data.focus:
            return None
        try:
            x, y = (float(share) for share in data.focus.split(","))
        except ValueError:
            raise self._error("focus") from None
        if not all(isfinite(share) and 0 <= share <= 1 for share in (x, y)):
            raise self._error("focus")
        return x, y

    def _error(self, code: str) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code)


def _new_alt(data: Posted, current: Upload | None) -> str | None:
    """Return the text alternative of a new picture, or None if the form has none for it.

    Without the script, the form still has the text of the old picture, and an empty field says nothing of a
    file that its sender may have described elsewhere.
    """
    if data.file and (not data.alt or (current and data.alt == current.alt)):
        return None
    return data.alt


def _changed(data: Posted, current: Upload, point: Point | None) -> SentPicture | None:
    """Return the changes to the picture that is there, or None.

    If another person has replaced it since the form was opened, the text and the point belong to the old one.
    """
    name = signed_names.read(data.shown) if data.shown else None
    if name is not None and name.upload_id != current.pk:
        return None
    alt = data.alt if data.alt != current.alt else None
    focus = point if point and point_text(point) != current.point else None
    return None if alt is None and focus is None else SentPicture(alt=alt, focus=focus)
