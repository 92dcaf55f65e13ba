"""The values of a picture in a form: as the browser posts it, and as the form returns it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.files.base import File
from django.core.files.uploadedfile import UploadedFile

from processing.presets import Point
from uploads.models import Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPicture:
    """A picture that a form has sent, as its cleaned value.

    - `source`: the new picture; None if the picture stays, and only the rest changes.
    - `alt`: the text alternative; None if it stays.
    - `focus`: the focal point, as shares of the width and the height; None if it stays, or is found in a new
      picture.
    - `owner`: who owns a new file, unless the row says it.
    """

    source: File[Any] | Upload | None = None
    alt: str | None = None
    focus: Point | None = None
    owner: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """The fields of a `PictureInput` as they were posted.

    - `shown`: the signed name of the upload that the form has shown, or "".
    - `alt`: None if the request has no such field.
    """

    file: UploadedFile[Any] | None = None
    shown: str = ""
    remove: bool = False
    alt: str | None = None
    focus: str = ""


@dataclass(frozen=True, slots=True)
class Redrawn:
    """The value of a form that is shown again: the fields that were posted, and the initial upload."""

    posted: Posted
    initial: Any
