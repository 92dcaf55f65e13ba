"""Probes: files that `manage.py doctor` writes, and reads by a public URL as a browser reads a rendition."""

import secrets
from hashlib import sha256

from django.core import signing
from django.urls import reverse

from processing.images.encoding.placeholder import plain_picture
from processing.models import Rendition

# Seconds for which the URL of a probe opens. The clocks of two hosts may differ by some minutes.
_SECONDS = 900


def data() -> bytes:
    """Return the bytes of every probe: a picture of one grey pixel."""
    return plain_picture(size=(1, 1), color="#c8c8c8")


def new() -> Rendition:
    """Return a new probe as a row that is never saved."""
    return _row(secrets.token_hex(16))


def path_of(row: Rendition) -> str:
    """Return a probe's URL.

    It is signed, so that visitors cannot use this URL to send requests to the storage.
    """
    return reverse("uploads:probe", args=[_signer().sign(row.preset)])


def find(name: str) -> Rendition | None:
    """Return the probe of a URL with a valid signature that is some minutes old at most."""
    try:
        return _row(_signer().unsign(name, max_age=_SECONDS))
    except signing.BadSignature:
        return None


def _signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(salt="uploads.serving.probes")


def _row(token: str) -> Rendition:
    # No recipe is named like that, so the key is that of no rendition.
    key = f"renditions/doctor/{token}.png"
    digest = sha256(data()).hexdigest()
    return Rendition(preset=token, key=key, format="png", digest=digest, byte_size=len(data()))
