"""The URLs of an upload's picture and of its renditions, and the `srcset` that lists several."""

from collections.abc import Mapping
from hashlib import sha256
from uuid import UUID

from django.urls import reverse

from processing.conf import darkroom

# The kinds of `Accept` for which the shipped nginx keeps an answer each (`$darkroom_formats`).
NEGOTIATED = ("any", "avif", "webp", "both")


def picture_path(upload_id: UUID, name: str) -> str:
    """Return the URL of a picture; `name` is a preset, with an extension for one format."""
    return reverse("uploads:picture", args=[upload_id, name])


def rendition_path(upload_id: UUID, key: str) -> str:
    """Return the path of a rendition's permanent URL, which works while the upload exists."""
    return permanent_path(mark(upload_id), key)


def public_rendition_url(upload_id: UUID, key: str) -> str:
    """Return the permanent URL of a rendition that everyone may see, on `MEDIA_HOST` if there is one."""
    return darkroom().media_host.rstrip("/") + rendition_path(upload_id, key)


def permanent_path(mark: str, key: str) -> str:
    """Return the permanent URL of a rendition, with the mark in place of the key's shard."""
    return reverse("uploads:rendition", args=["/".join([mark, *key.split("/")[2:]])])


def mark(upload_id: UUID) -> str:
    """Return the mark of an upload: 16 hexadecimal digits that do not reveal its id."""
    return sha256(b"uploads.serving.links.mark:" + upload_id.bytes).hexdigest()[:16]


def srcset(files: Mapping[int, str]) -> str:
    """Return a `srcset` of the URLs of files by their width; a single file needs no width."""
    if len(files) == 1:
        return next(iter(files.values()))
    return ", ".join(f"{address} {width}w" for width, address in files.items())
