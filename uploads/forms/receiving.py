"""Receive the picture of a form before the form is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.http import HttpRequest

from uploads import services
from uploads.models import Upload
from uploads.receiving.admission import NotSignedIn, admit, is_admitted

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.core.files.uploadedfile import UploadedFile


def receive(request: HttpRequest, file: UploadedFile) -> Upload:
    """Store a picture as an upload of the sender.

    Raises a `Refusal` if the sender or the file is not admitted, and `TransientError`.
    """
    if not request.user.is_authenticated:
        raise NotSignedIn("Sign in, or send an API token.")
    person = cast("User", request.user)
    if not is_admitted(request):
        admit(person=person, address=request.META["REMOTE_ADDR"], byte_size=file.size or 0)
    return services.receive_upload(owner=person, file=file, by_field=True).upload
