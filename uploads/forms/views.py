"""Receive the picture of a form at once, and show it while it is processed."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST, require_safe

from processing.errors import Refusal, TransientError
from uploads.forms import preview
from uploads.forms.receiving import receive
from uploads.problems import problem_response, refused, storage_unavailable
from uploads.receiving import unparsed


@csrf_exempt
@require_POST
def send(request: HttpRequest) -> HttpResponse:
    """Store the file of the request, and return its preview, which has its signed name.

    The file is read before the CSRF check reads it, so that the refusal of a file that is too large can be
    answered.
    """
    try:
        file = request.FILES.get("file")
    except (Refusal, *unparsed.ERRORS) as error:
        return refused(error if isinstance(error, Refusal) else unparsed.refusal_of(error))
    return _send(request, file)


@csrf_protect
@never_cache
def _send(request: HttpRequest, file: UploadedFile[Any] | None) -> HttpResponse:
    try:
        upload = receive(request, file)
    except Refusal as refusal:
        return refused(refusal)
    except TransientError:
        return refused(storage_unavailable())
    return _drawn(preview.preview_of(upload, is_new=True))


@require_safe
@never_cache
def shown(request: HttpRequest, name: str) -> HttpResponse:
    """Return the preview of the upload with this signed name."""
    return _drawn(preview.named(name))


def _drawn(found: preview.Preview | None) -> HttpResponse:
    if found is None:
        return problem_response(
            status=404, code="not_found", title="Not Found", detail=_("This image does not exist.")
        )
    return HttpResponse(preview.drawn(found))
