"""Signed names of uploads: a form carries them, and no sender can make the name of another's upload."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.core import signing

from uploads.models import Upload

_SALT = "uploads.forms.signed_names"
# The seconds for which a form may stay open.
_AGE = 24 * 3600


@dataclass(frozen=True, slots=True)
class SignedName:
    """An upload that a form shows. If `is_new`, it was sent for this form, which may take it."""

    upload_id: UUID
    is_new: bool


def sign(upload: Upload, *, is_new: bool) -> str:
    """Return the signed name of an upload."""
    return signing.dumps([upload.pk.hex, is_new], salt=_SALT)


def read(text: str) -> SignedName | None:
    """Return the content of a signed name, or None if it is not ours or too old."""
    try:
        upload_id, is_new = signing.loads(text, salt=_SALT, max_age=_AGE)
    except signing.BadSignature:
        return None
    return SignedName(UUID(upload_id), is_new)
