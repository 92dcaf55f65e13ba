"""Responsive pictures: the files of an upload by format and width, and the placeholder until they exist."""

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from django.templatetags.static import static

from processing import conf
from processing.images.encoding import thumbhash
from processing.images.encoding.placeholder import drawn_picture
from processing.models import Rendition
from processing.presets import CONTENT_TYPES, FALLBACKS, Format, Preset, Size
from uploads import addresses
from uploads.models import Upload
from uploads.serving import links

# Browsers take the first format that they know.
_OFFERED: tuple[Format, ...] = ("avif", "webp")
# A rendition of this width, in pixels, is sharp enough for a preview on a high-density screen.
_PREVIEW_WIDTH = 480


@dataclass(frozen=True, slots=True)
class PictureSource:
    """The files of one format."""

    content_type: str
    srcset: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The parts of a `<picture>`; `size` is that of its preset, in pixels."""

    sources: list[PictureSource]
    srcset: str
    address: str
    size: Size


def picture_of(
    upload: Upload, preset: Preset, address_of: Callable[[Rendition], str], *, token: str = ""
) -> Picture:
    """Return the parts of a `<picture>` up to the size of a preset, with the URLs that `address_of` returns.

    `token` is that of a private link. The URL that stands in until the upload is ready contains it.

    For an upload from `Upload.objects.shown()`, this runs no query.
    """
    rows = _candidates(upload, preset)
    formats = {row.format for row in rows}
    fallback = next((format for format in FALLBACKS if format in formats), None)
    size = next(((row.width, row.height) for row in rows if row.preset == preset.name), None)
    size = size or preset.output_size((upload.original.width, upload.original.height))
    if fallback is None:
        return Picture(sources=[], srcset="", address=_stand_in(upload, preset, token), size=size)
    largest = max(row.width for row in rows)
    files = {format: _by_width(preset, rows, format, address_of) for format in formats}
    return Picture(
        sources=[
            PictureSource(CONTENT_TYPES[format], addresses.srcset(files[format]))
            for format in _OFFERED
            # A browser would choose a format even without its largest file, and show a blurred picture.
            if format != fallback and largest in files.get(format, {})
        ],
        srcset=addresses.srcset(files[fallback]),
        address=files[fallback][max(files[fallback])],
        size=size,
    )


def preview_preset(upload: Upload) -> str:
    """Return the preset for an upload's preview, or "" if no rendition is ready or it is taken down."""
    if upload.taken_down_at:
        return ""
    ready = {row.preset for row in upload.shown_renditions()}
    shown = [preset for preset in reversed(conf.presets()) if preset.name in ready]
    whole = [preset for preset in shown if preset.mode == "fit" and not preset.is_thumbnail]
    wide = [preset for preset in whole if (preset.width or 0) >= _PREVIEW_WIDTH]
    return next((preset.name for preset in [*wide[:1], *whole[::-1], *shown]), "")


@lru_cache(maxsize=1000)
def blurred(digest: str) -> str:
    """Return the picture of a ThumbHash (base64) as a `data:` URL."""
    width, height, rgba = thumbhash.decode(base64.b64decode(digest))
    png = drawn_picture(size=(width, height), rgba=rgba)
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _candidates(upload: Upload, preset: Preset) -> list[Rendition]:
    """Return the renditions that show the same part of the picture and are not wider than the preset's.

    Before the upload is ready, smaller ones alone do not count. With them, `<img>` would lack the
    `data-status` by which a page knows to reload.
    """
    widest = preset.output_size((upload.original.width, upload.original.height))[0]
    alike = {other.name for other in upload.offered_presets() if other.shows_the_same(preset)}
    rows = [
        row
        for row in upload.shown_renditions()
        if row.preset == preset.name or (row.preset in alike and row.width <= widest)
    ]
    return rows if upload.ready_at or any(row.preset == preset.name for row in rows) else []


def _by_width(
    preset: Preset, rows: Iterable[Rendition], format: str, address_of: Callable[[Rendition], str]
) -> dict[int, str]:
    """Return the URLs of a format's files by their width, the smallest first.

    Small originals are not enlarged, so several presets may have the same width. The requested preset then
    takes precedence.
    """
    mine = [row for row in rows if row.format == format]
    mine.sort(key=lambda row: (row.width, row.preset == preset.name))
    return {row.width: address_of(row) for row in mine}


def _stand_in(upload: Upload, preset: Preset, token: str) -> str:
    """Return the URL to show instead of a rendition: the placeholder, or the picture of a failure."""
    if upload.status == Upload.Status.FAILED:
        return static("uploads/failed.svg")
    return links.picture_path(upload, preset.name, token=token)
