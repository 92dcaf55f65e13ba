"""Receive the picture of a form before the form is saved."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

from processing.errors import Refusal
from uploads import services
from uploads.models import Upload
from uploads.owners import admits, owner_of, sender_of
from uploads.receiving.admission import NotSignedIn, admit, is_admitted

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile


class NoPicture(Refusal):
    """The request contains no file."""

    code = "no_picture"
    title = "No picture in the request"
    status = HTTPStatus.BAD_REQUEST


def receive(request: HttpRequest, file: UploadedFile[Any] | None) -> Upload:
    """Store a picture as an upload of the sender.

    Raises a `Refusal` if the sender or the file is not admitted, and `TransientError`.
    """
    if not admits(request):
        raise NotSignedIn("Sign in, or send an API token.")
    if file is None:
        raise NoPicture("The request contains no picture. Send it as the field `file`.")
    if not is_admitted(request):
        admit(person=owner_of(request), address=request.META["REMOTE_ADDR"], byte_size=file.size or 0)
    owner = sender_of(request)
    assert owner is not None, "`admits` has said that there is one"
    return services.receive_upload(owner=owner, file=file, by_field=True).upload
