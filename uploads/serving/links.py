"""Build the URLs of pictures, permanent URLs of renditions, and signed links to private images."""

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
    """Return a signature that opens a private upload for a limited time."""
    return signing.dumps(str(upload.pk), salt=_SALT)


def is_signed(upload: Upload, value: str) -> bool:
    """Return whether `value` is an unexpired signature of this upload."""
    try:
        signed: Any = signing.loads(value, salt=_SALT, max_age=darkroom().signed_link_max_age)
    except signing.BadSignature:
        return False
    return bool(signed == str(upload.pk))


def picture_path(upload: Upload, preset: str) -> str:
    """Return the URL of an upload's picture, signed if the upload is private."""
    path = reverse("uploads:picture", args=[upload.pk, preset])
    if upload.visibility == Upload.Visibility.PRIVATE:
        return f"{path}?{urlencode({'signature': signature(upload)})}"
    return path


def main_preset() -> str:
    """Return the preset for the main picture: the largest up to 1280 pixels wide."""
    presets = [preset for preset in conf.presets() if not preset.is_thumbnail] or conf.presets()
    return next((preset for preset in presets if (preset.width or 0) <= 1280), presets[-1]).name


def file_path(upload: Upload, rendition: Rendition) -> str:
    """Return the URL of a rendition for anyone who may see the upload.

    A private upload gets a signed link, because its permanent URL opens for its owner and staff alone.
    """
    if upload.visibility == Upload.Visibility.PRIVATE:
        extension = EXTENSIONS[cast("Format", rendition.format)]
        return picture_path(upload, f"{rendition.preset}.{extension}")
    return rendition_path(upload, rendition)


def rendition_path(upload: Upload, rendition: Rendition) -> str:
    """Return a rendition's permanent URL, which works while the upload exists.

    The mark replaces the shard, so the URL does not reveal that other people share this original.
    """
    return _permanent(_mark(upload), rendition)


def staff_path(rendition: Rendition) -> str:
    """Return a rendition's URL that belongs to no upload and opens for staff alone."""
    return _permanent(rendition.key.split("/")[1], rendition)


def find_rendition(path: str) -> tuple[Rendition | None, Upload | None]:
    """Return the rendition at a permanent URL, and the live upload to which the URL belongs."""
    parts = _PERMANENT.fullmatch(path)
    row = parts and Rendition.objects.filter(key=f"renditions/{parts['shard']}/{parts['name']}").first()
    if not parts or not row:
        return None, None
    uploads = Upload.objects.filter(original=row.original_id, deleted_at=None).select_related("owner")
    return row, next((one for one in uploads if parts["mark"] == _mark(one)), None)


def _permanent(mark: str, rendition: Rendition) -> str:
    return reverse("uploads:rendition", args=["/".join([mark, *rendition.key.split("/")[2:]])])


def _mark(upload: Upload) -> str:
    """Return the upload's mark: 16 hexadecimal digits that do not reveal its id."""
    return sha256(b"uploads.serving.links.mark:" + upload.pk.bytes).hexdigest()[:16]
