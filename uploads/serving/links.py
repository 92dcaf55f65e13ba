"""Build the URLs of pictures and the permanent URLs of renditions."""

import re
from collections.abc import Iterable
from typing import cast
from urllib.parse import urlencode

from processing import clock, conf
from processing.conf import darkroom
from processing.models import Rendition
from processing.presets import EXTENSIONS, Format
from uploads import addresses
from uploads.models import FormerFile, Upload

_PERMANENT = re.compile(r"(?P<mark>[0-9a-f]+)/(?P<name>(?P<shard>[0-9a-f]{2})[0-9a-f]*/[\w.-]+)", re.ASCII)


def picture_path(upload: Upload, preset: str, *, token: str = "") -> str:
    """Return the URL of an upload's picture, with the private link's `token` if the upload is private."""
    path = addresses.picture_path(upload.pk, preset)
    if token and upload.visibility == Upload.Visibility.PRIVATE:
        return f"{path}?{urlencode({'link': token})}"
    return path


def main_preset() -> str:
    """Return the preset for the main picture: the largest up to 1280 pixels wide."""
    presets = [preset for preset in conf.presets() if not preset.is_thumbnail] or conf.presets()
    return next((preset for preset in presets if (preset.width or 0) <= 1280), presets[-1]).name


def file_path(upload: Upload, rendition: Rendition, *, token: str = "") -> str:
    """Return the URL of a rendition, with the private link's `token` if the upload is private.

    Otherwise, or without a token, it is the permanent URL. That of a private upload opens for its owner and
    staff alone.
    """
    if token and upload.visibility == Upload.Visibility.PRIVATE:
        extension = EXTENSIONS[cast("Format", rendition.format)]
        return picture_path(upload, f"{rendition.preset}.{extension}", token=token)
    return rendition_path(upload, rendition)


def rendition_path(upload: Upload, rendition: Rendition) -> str:
    """Return a rendition's permanent URL, which works while the rendition and the upload exist.

    The upload's mark replaces the shard, two digits of the key. So the URL dies with the upload, and does not
    reveal afterwards that other people share the original. `MEDIA_HOST` gets no cookies, so it has only what
    everyone may see.
    """
    if upload.visibility == Upload.Visibility.PRIVATE or (darkroom().media_host and upload.is_withheld):
        return addresses.rendition_path(upload.pk, rendition.key)
    return addresses.public_rendition_url(upload.pk, rendition.key)


def staff_path(rendition: Rendition) -> str:
    """Return a rendition's URL that belongs to no upload and opens for staff alone."""
    return addresses.permanent_path(rendition.key.split("/")[1], rendition.key)


def find_rendition(path: str) -> tuple[Rendition | None, Upload | None]:
    """Return the rendition at a permanent URL, and the live upload to which the URL belongs.

    The URL of a replaced file belongs to its upload until the grace period ends.
    """
    parts = _PERMANENT.fullmatch(path)
    row = parts and Rendition.objects.filter(key=f"renditions/{parts['shard']}/{parts['name']}").first()
    if not parts or not row:
        return None, None
    uploads = Upload.objects.live().select_related("owner")
    former = FormerFile.objects.filter(original=row.original_id, expires_at__gt=clock.now())
    found = _marked(uploads.filter(original=row.original_id), parts["mark"])
    return row, found or _marked(uploads.filter(pk__in=former.values("upload")), parts["mark"])


def _marked(uploads: Iterable[Upload], mark: str) -> Upload | None:
    return next((upload for upload in uploads if mark == addresses.mark(upload.pk)), None)
