"""The widget of a picture: a file input, a check box and a text field, which a script extends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.forms.utils import pretty_name
from django.utils.translation import gettext_lazy as _

from processing.conf import darkroom
from uploads.forms import preview
from uploads.forms.preview import Preview
from uploads.forms.values import Posted, Redrawn

if TYPE_CHECKING:
    from django.utils.datastructures import MultiValueDict

# The texts of the script. The widget contains them in the person's language.
WORDS = {
    "choose": _("Choose a picture"),
    "replace": _("Replace the picture"),
    "sending": _("Sending {name}."),
    "checking": _("checking…"),
    "percent": _("{percent} %"),
    "held": _("The form is saved as soon as the picture is sent."),
    "later": _("{name} is sent when the form is saved."),
    "cancelled": _("cancelled"),
    "refused": _("The server answered with an error ({status}). Try again."),
    "tooLarge": _("{name} is {size}; the limit is {limit}. Choose a smaller version."),
    "notSaved": _("The picture is used once the form is saved."),
    "readyNew": _("The picture is ready. It is used once the form is saved."),
    "ready": _("The picture is ready."),
}


class PictureInput(forms.FileInput):
    """Choose, replace, describe or remove a picture.

    Without JavaScript, the file is sent with the form. With it, the file is sent at once if the sender is
    signed in, and the form carries the upload's signed name.
    """

    template_name = "uploads/forms/picture_input.html"
    label = ""
    asks_alt = True

    class Media:
        css: ClassVar = {"all": ["uploads/focal_point.css", "uploads/picture_input.css"]}
        js: ClassVar = [forms.Script("uploads/picture_input.js", type="module")]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Add the picture that is there, and the other fields."""
        posted, initial = Posted(), value
        if isinstance(value, Redrawn):
            posted, initial = value.posted, value.initial
        shown = _shown(posted, initial)
        context: dict[str, Any] = super().get_context(name, None, attrs)
        context["picture"] = {
            "label": self.label or pretty_name(name),
            "preview": shown,
            "names": {part: f"{name}-{part}" for part in ("shown", "remove", "alt", "focus")},
            "remove": posted.remove,
            "may_remove": not self.is_required,
            "asks_alt": self.asks_alt,
            "alt": _alt(posted, shown),
            "focus": posted.focus,
            "lost": posted.file.name if posted.file else "",
            "send_path": preview.path_of("uploads:form_pictures"),
            "limit": darkroom().max_upload_bytes,
            "words": json.dumps({word: str(text) for word, text in WORDS.items()}),
        }
        return context

    def value_from_datadict(
        self, data: Mapping[str, Any], files: MultiValueDict[str, Any], name: str
    ) -> Posted:
        """Return the fields that were posted."""
        return Posted(
            file=super().value_from_datadict(data, files, name),
            shown=data.get(f"{name}-shown", ""),
            remove=f"{name}-remove" in data,
            alt=data.get(f"{name}-alt"),
            focus=data.get(f"{name}-focus", ""),
        )

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Mapping[str, Any], name: str) -> bool:
        """Return whether the request has none of the fields."""
        others = (f"{name}-{part}" for part in ("shown", "remove", "alt", "focus"))
        return name not in files and not any(other in data for other in others)

    def use_required_attribute(self, initial: Any) -> bool:
        """Leave the check to the server, because a browser cannot point at a file input that is hidden."""
        return False


def _shown(posted: Posted, initial: Any) -> Preview | None:
    """Return the preview of the picture that was sent for this form, or else of the initial one."""
    sent = preview.named(posted.shown) if posted.shown else None
    return sent or preview.preview_of(initial)


def _alt(posted: Posted, shown: Preview | None) -> str:
    if posted.alt is not None:
        return posted.alt
    return shown.upload.alt if shown else ""
