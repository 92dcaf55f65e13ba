"""Keep the pictures of a form that has an error, so that their sender need not choose them again."""

from __future__ import annotations

from contextlib import suppress
from typing import cast

from django.forms import BaseForm, BoundField
from django.http import HttpRequest, QueryDict

from processing import refusals
from processing.errors import Refusal, TransientError
from uploads.forms import signed_names
from uploads.forms.field import PictureFormField
from uploads.forms.receiving import receive
from uploads.forms.values import Posted
from uploads.receiving.admission import NotSignedIn


def keep_pictures(form: BaseForm, request: HttpRequest) -> None:
    """Store the pictures of an invalid form as uploads of the sender, whose names the form then carries.

    A visitor's pictures are not stored. The form then asks for them again.
    """
    if not form.is_bound:
        return
    for field in form:
        posted = field.data if isinstance(field.field, PictureFormField) else None
        if isinstance(posted, Posted) and posted.file and field.name not in form.errors:
            _keep(form, field, posted, request)


def _keep(form: BaseForm, field: BoundField, posted: Posted, request: HttpRequest) -> None:
    try:
        with suppress(NotSignedIn, TransientError):
            upload = receive(request, posted.file)
            data, files = cast("QueryDict", form.data).copy(), form.files.copy()
            data[f"{field.html_name}-shown"] = signed_names.sign(upload, is_new=True)
            data[f"{field.html_name}-alt"] = posted.alt or upload.alt
            del files[field.html_name]
            form.data, form.files = data, files
    except Refusal as refusal:
        form.add_error(field.name, refusals.sentence(refusal))
