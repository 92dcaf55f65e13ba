"""The value of a picture's form field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.files.base import File

from processing.presets import Point
from uploads.models import Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPicture:
    """A picture that a person sent with a form.

    Without a `source`, the picture stays the same. `alt` and `focus` are None if they stay the same.
    """

    source: File[Any] | Upload | None = None
    alt: str | None = None
    focus: Point | None = None
