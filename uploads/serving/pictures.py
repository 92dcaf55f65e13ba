"""Serve pictures: an upload in a preset, a rendition by its permanent URL, and an original."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from django.core.files.base import File
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from processing import conf, originals, renditions
from processing.database.availability import DATABASE_UNAVAILABLE
from processing.images.encoding.placeholder import plain_picture
from processing.metrics.counters import COUNTERS
from processing.metrics.families import MISSING_FILES
from processing.models import Original, Rendition
from processing.presets import CONTENT_TYPES, EXTENSIONS, Format, Preset
from processing.storages.media import FileMissing, StorageUnavailable
from uploads.hooks import verdicts
from uploads.models import Upload
from uploads.owners import owners
from uploads.problems import problem_response
from uploads.serving import delivery, links, private_links, probes
from uploads.serving.archive import stream
from uploads.serving.cross_origin import for_origins
from uploads.tokens import authentication, scopes

_FORMATS_BY_EXTENSION: dict[str, Format] = {extension: name for name, extension in EXTENSIONS.items()}
_FORMATS_BY_EXTENSION["jpeg"] = "jpeg"
# Not every client can read these formats, so a request must name them.
_NAMED_FORMATS: tuple[Format, ...] = ("avif", "webp")
# If a request accepts several formats equally, the first of these is sent. It is usually the smallest.
_BY_SIZE: tuple[Format, ...] = ("avif", "webp", "jpeg", "png")
_FOREVER = "max-age=31536000, immutable"
_RETRY_AFTER = 2


@require_safe
@for_origins
def picture(request: HttpRequest, upload_id: uuid.UUID, name: str) -> HttpResponse:
    """Answer `/i/<id>/<preset>` with the best accepted format, and `/i/<id>/<preset>.<ext>` with that one."""
    preset_name, _dot, extension = name.partition(".")
    preset = conf.preset_named(preset_name)
    upload = Upload.objects.shown().filter(pk=upload_id).first()
    if upload is None or _is_hidden(request, upload) or not _may_see(request, upload, preset_name):
        return _nothing_to_see(_("This image does not exist."))
    if preset is None:
        return _not_found(_("There is no preset %r.") % preset_name, code="no_such_preset")
    if extension and extension not in _FORMATS_BY_EXTENSION:
        return _not_found(_("There is no format %r.") % extension, code="no_such_format")
    rows = {row.format: row for row in upload.shown_renditions() if row.preset == preset.name}
    if not rows:
        return _vary(_not_ready(upload, preset), negotiated=not extension)
    row = rows.get(_FORMATS_BY_EXTENSION[extension]) if extension else _best(request, rows)
    if row is None:
        return _not_found(_("This image has no %s in this preset.") % extension, code="no_such_format")
    shared = not (_is_private(upload) or upload.is_withheld)
    freshness = "public, max-age=60" if shared else "private, no-cache"
    return _vary(_send(request, row, freshness), negotiated=not extension)


@require_safe
@for_origins
def rendition(request: HttpRequest, path: str) -> HttpResponse:
    """Answer a rendition's permanent URL, whose bytes never change.

    Private links do not open it, because they end and this URL does not.
    """
    row, upload = links.find_rendition(path)
    withheld = upload is not None and upload.is_withheld
    if row and upload and not withheld and not _is_private(upload):
        return _send(request, row, f"public, {_FOREVER}", fixed=True)
    if row and (request.user.is_staff or (upload and not withheld and _is_own(request, upload))):
        return _send(request, row, f"private, {_FOREVER}", fixed=True)
    return _nothing_to_see(
        _("This rendition does not exist. The image may have been deleted or reprocessed.")
    )


@require_safe
@for_origins
def probe(request: HttpRequest, name: str) -> HttpResponse:
    """Answer the URL of a doctor's file in the same way as a permanent URL."""
    row = probes.find(name)
    if row is None:
        return _nothing_to_see(
            _("This rendition does not exist. The image may have been deleted or reprocessed.")
        )
    return _send(request, row, f"public, {_FOREVER}", fixed=True)


@require_safe
def original(request: HttpRequest, upload_id: uuid.UUID) -> HttpResponse | StreamingHttpResponse:
    """Send the original to its owner as an attachment, so that no browser opens it as a page."""
    upload = Upload.objects.shown().filter(pk=upload_id).first()
    if upload is None or _is_hidden(request, upload) or not _is_own(request, upload):
        return _nothing_to_see(_("This image does not exist."))
    if not verdicts.may_go_out(upload):
        return _not_checked(upload)
    try:
        file = originals.open_file(upload.original)
    except FileMissing:
        # The answer is the same if the database refuses writes.
        with suppress(*DATABASE_UNAVAILABLE):
            originals.flag(upload.original)
        return _not_found(
            _("The original file is lost or damaged. Upload it again to restore it."), code="original_lost"
        )
    except StorageUnavailable:
        return _storage_away()
    headers = _attachment_headers(upload, upload.original)
    if request.method == "HEAD":
        # The server does not read the stream of a HEAD request, so it would not close the file.
        file.close()
        return HttpResponse(headers=headers)
    chunks = _chunks(file)
    # Under WSGI, Django would read an asynchronous iterator to its end first.
    return StreamingHttpResponse(stream(chunks) if hasattr(request, "scope") else chunks, headers=headers)


def _not_checked(upload: Upload) -> HttpResponse:
    """Answer for an original that the hooks have not passed: the failure of its upload, or that they will."""
    if upload.status == Upload.Status.FAILED:
        return _not_found(upload.failure, code=upload.error_code)
    return _not_found(_("The image is still being checked. Try again in a minute."), code="not_checked")


def _chunks(file: File[Any]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(1 << 18):
            yield chunk


def _attachment_headers(upload: Upload, original: Original) -> dict[str, str]:
    return {
        "Content-Type": f"image/{original.format}",
        "Content-Length": str(original.byte_size),
        "Content-Disposition": content_disposition_header(True, upload.filename) or "attachment",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-cache",
    }


def _is_own(request: HttpRequest, upload: Upload) -> bool:
    """Return whether the owner's rules and the scope of a token let the request see a private upload."""
    try:
        token = authentication.sign_in(request)
    except authentication.INVALID:
        return False
    return owners().may_see(request, upload) and scopes.covers(upload, token)


def _is_private(upload: Upload) -> bool:
    return upload.visibility == Upload.Visibility.PRIVATE


def _is_hidden(request: HttpRequest, upload: Upload) -> bool:
    """Return whether an upload is withheld from this request: only staff still see it."""
    return upload.is_withheld and not request.user.is_staff


def _may_see(request: HttpRequest, upload: Upload, preset: str) -> bool:
    """Return whether the request may see an upload in a preset. The session is read for private uploads only.

    A response that depends on the session varies by cookie, and no shared cache keeps it.
    """
    if not _is_private(upload):
        return True
    token = request.GET.get("link", "")
    return private_links.opens(upload=upload, preset=preset, token=token) or _is_own(request, upload)


def _best(request: HttpRequest, rows: dict[str, Rendition]) -> Rendition:
    """Return the row in the format that the request prefers. AVIF and WebP count only if it names them."""
    qualities = {f"{kind.main_type}/{kind.sub_type}": kind.quality for kind in request.accepted_types}
    anything = qualities.get("image/*", qualities.get("*/*", 0.0))
    likings = {
        format: qualities.get(CONTENT_TYPES[format], 0.0 if format in _NAMED_FORMATS else anything)
        for format in _BY_SIZE
        if format in rows
    }
    best = max(likings, key=likings.__getitem__)
    return rows[best] if likings[best] > 0 else rows.get("jpeg") or rows.get("png") or rows[best]


def _send(request: HttpRequest, row: Rendition, freshness: str, *, fixed: bool = False) -> HttpResponse:
    """Deliver a rendition's file, or a problem if it cannot be read."""
    try:
        return delivery.deliver(request, row, freshness, fixed=fixed)
    except FileMissing:
        return _lost(row)
    except StorageUnavailable:
        return _storage_away()


def _lost(row: Rendition) -> HttpResponse:
    """Answer for a rendition whose file is lost, which is then rendered again with the image."""
    COUNTERS.count(MISSING_FILES)
    try:
        # The answer is the same if the database refuses writes.
        with suppress(*DATABASE_UNAVAILABLE):
            renditions.flag(row)
    except StorageUnavailable:
        return _storage_away()
    return _not_found(_("The rendition file is missing. Reprocess the image."), code="rendition_missing")


def _not_ready(upload: Upload, preset: Preset) -> HttpResponse:
    """Answer for a missing rendition: the failure of its upload, or a plain picture until it is ready."""
    if upload.status == Upload.Status.FAILED:
        return _not_found(upload.failure, code=upload.error_code)
    color = upload.original.color if upload.thumbnails_ready_at else ""
    size = preset.output_size((upload.original.width, upload.original.height))
    return HttpResponse(
        plain_picture(size=size, color=color or "#c8c8c8"),
        status=HTTPStatus.ACCEPTED,
        content_type="image/png",
        headers={"Retry-After": str(_RETRY_AFTER), "Cache-Control": "no-store"},
    )


def _vary(response: HttpResponse, *, negotiated: bool) -> HttpResponse:
    if negotiated:
        patch_vary_headers(response, ["Accept"])
    return response


def _nothing_to_see(detail: str) -> HttpResponse:
    """Answer 404 in the same way for missing, private and withheld images.

    The session is not read for missing images, so every response is marked as varying by cookie.
    """
    response = _not_found(detail)
    patch_vary_headers(response, ["Cookie"])
    return response


def _not_found(detail: str, code: str = "not_found") -> HttpResponse:
    return problem_response(status=HTTPStatus.NOT_FOUND, code=code, title="Not Found", detail=detail)


def _storage_away() -> HttpResponse:
    return problem_response(
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        code="storage_unavailable",
        title="The storage is not available",
        detail=_("The file is temporarily unavailable. Try again in a minute."),
    )
