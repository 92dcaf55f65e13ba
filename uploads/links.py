"""Addresses: of an upload's picture, of its renditions, and signed ones for what is private."""

from typing import Any, cast
from urllib.parse import urlencode

from django.conf import settings
from django.core import signing
from django.urls import reverse

from processing import configuration
from processing.models import Rendition
from processing.presets import EXTENSIONS, Format
from uploads.models import Upload

_SALT = "uploads.links"


def signature(upload: Upload) -> str:
    """Return what opens a private upload to whoever has it, for a limited time."""
    return signing.dumps(str(upload.pk), salt=_SALT)


def is_signed(upload: Upload, value: str) -> bool:
    """Tell whether `value` is an unexpired signature of this upload."""
    try:
        signed: Any = signing.loads(value, salt=_SALT, max_age=settings.DARKROOM["SIGNED_LINK_MAX_AGE"])
    except signing.BadSignature:
        return False
    return bool(signed == str(upload.pk))


def picture_path(upload: Upload, preset: str) -> str:
    """Return the address of an upload's picture, signed where the upload is private."""
    path = reverse("picture", args=[upload.pk, preset])
    if upload.visibility == Upload.Visibility.PRIVATE:
        return f"{path}?{urlencode({'signature': signature(upload)})}"
    return path


def main_preset() -> str:
    """Return the preset that stands for the whole picture: the largest up to 1280 pixels wide."""
    presets = [
        preset for preset in configuration.presets() if not preset.is_thumbnail
    ] or configuration.presets()
    return next((preset for preset in presets if (preset.width or 0) <= 1280), presets[-1]).name


def file_path(upload: Upload, rendition: Rendition) -> str:
    """Return where whoever may see an upload finds a rendition of it.

    The permanent address of what is private answers its owner alone: that one is signed instead.
    """
    if upload.visibility == Upload.Visibility.PRIVATE:
        extension = EXTENSIONS[cast("Format", rendition.format)]
        return picture_path(upload, f"{rendition.preset}.{extension}")
    return rendition_path(rendition)


def rendition_path(rendition: Rendition) -> str:
    """Return a rendition's permanent address."""
    return reverse("rendition", args=[rendition.key.removeprefix("renditions/")])
