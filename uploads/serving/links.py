"""Addresses: of an upload's picture, of its renditions, and signed ones for what is private."""

import re
from hashlib import sha256
from typing import Any, cast
from urllib.parse import urlencode

from django.core import signing
from django.urls import reverse

from processing import conf
from processing.conf import darkroom
from processing.models import Rendition
from processing.presets import EXTENSIONS, Format
from uploads.models import Upload

_SALT = "uploads.serving.links"
_PERMANENT = re.compile(r"(?P<mark>[0-9a-f]+)/(?P<name>(?P<shard>[0-9a-f]{2})[0-9a-f]*/[\w.-]+)", re.ASCII)


def signature(upload: Upload) -> str:
    """Return what opens a private upload to whoever has it, for a limited time."""
    return signing.dumps(str(upload.pk), salt=_SALT)


def is_signed(upload: Upload, value: str) -> bool:
    """Tell whether `value` is an unexpired signature of this upload."""
    try:
        signed: Any = signing.loads(value, salt=_SALT, max_age=darkroom().signed_link_max_age)
    except signing.BadSignature:
        return False
    return bool(signed == str(upload.pk))


def picture_path(upload: Upload, preset: str) -> str:
    """Return the address of an upload's picture, signed where the upload is private."""
    path = reverse("uploads:picture", args=[upload.pk, preset])
    if upload.visibility == Upload.Visibility.PRIVATE:
        return f"{path}?{urlencode({'signature': signature(upload)})}"
    return path


def main_preset() -> str:
    """Return the preset that stands for the whole picture: the largest up to 1280 pixels wide."""
    presets = [preset for preset in conf.presets() if not preset.is_thumbnail] or conf.presets()
    return next((preset for preset in presets if (preset.width or 0) <= 1280), presets[-1]).name


def file_path(upload: Upload, rendition: Rendition) -> str:
    """Return where whoever may see an upload finds a rendition of it.

    The permanent address of what is private answers its owner alone: that one is signed instead.
    """
    if upload.visibility == Upload.Visibility.PRIVATE:
        extension = EXTENSIONS[cast("Format", rendition.format)]
        return picture_path(upload, f"{rendition.preset}.{extension}")
    return rendition_path(upload, rendition)


def rendition_path(upload: Upload, rendition: Rendition) -> str:
    """Return a rendition's permanent address, which ends with this upload.

    Its mark stands where the key has the shard: what others do with the same original does not show.
    """
    return _permanent(_mark(upload), rendition)


def staff_path(rendition: Rendition) -> str:
    """Return a rendition's address that is nobody's, and shown to staff alone."""
    return _permanent(rendition.key.split("/")[1], rendition)


def find_rendition(path: str) -> tuple[Rendition | None, Upload | None]:
    """Return the rendition at a permanent address, and the live upload that shows it there."""
    parts = _PERMANENT.fullmatch(path)
    row = parts and Rendition.objects.filter(key=f"renditions/{parts['shard']}/{parts['name']}").first()
    if not parts or not row:
        return None, None
    uploads = Upload.objects.filter(original=row.original_id, deleted_at=None).select_related("owner")
    return row, next((one for one in uploads if parts["mark"] == _mark(one)), None)


def _permanent(mark: str, rendition: Rendition) -> str:
    return reverse("uploads:rendition", args=["/".join([mark, *rendition.key.split("/")[2:]])])


def _mark(upload: Upload) -> str:
    """Return 16 hexadecimal digits of an upload's random id: whoever has them has not the id."""
    return sha256(b"uploads.serving.links.mark:" + upload.pk.bytes).hexdigest()[:16]
