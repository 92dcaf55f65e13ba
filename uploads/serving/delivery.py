"""Deliver a rendition's file, or let the proxy in front deliver it."""

from __future__ import annotations

import re
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date, parse_http_date_safe

from processing.conf import darkroom
from processing.models import Rendition
from processing.presets import EXTENSIONS
from processing.storages.media import call_storage, media
from processing.storages.proxied import ACCEL

# Seconds for which the proxy keeps a permanent URL: with a purge, in case one is lost, and without.
PURGED_LIFE, LIFE = 3600, 60
# The request header with which the shipped nginx says that it could not read a file, and our answer's.
FAILED = "X-Accel-Failed"
# The proxy would compare its own tag and date of a file with the first two.
_NOT_BY_PROXY = ("If-Match", "If-Unmodified-Since", FAILED)

# One range of bytes (RFC 9110, section 14.1.2). Others may be ignored.
_RANGE = re.compile(r"bytes=(?P<first>\d*)-(?P<last>\d*)", re.ASCII | re.IGNORECASE)
# The characters of a file name that some system does not allow.
_FORBIDDEN = frozenset('/\\:*?"<>|')
_NAME_LENGTH = 100


def deliver(request: HttpRequest, row: Rendition, freshness: str, *, fixed: bool = False) -> HttpResponse:
    """Answer with a rendition's file, with a part of it, or with 304 if the client already has it.

    `fixed` is for a URL that always shows this rendition. Another URL has no `Last-Modified`, because its
    next rendition may be older. Raises `FileMissing` or `StorageUnavailable`.
    """
    tag, changed_at = f'"{row.digest[:32]}"', int(row.rendered_at.timestamp()) if fixed else None
    headers = {"ETag": tag, "Cache-Control": freshness}
    if changed_at is not None:
        headers["Last-Modified"] = http_date(changed_at)
        if freshness.startswith("public"):
            headers["X-Accel-Expires"] = str(PURGED_LIFE if darkroom().nginx_purge_url else LIFE)
    response = get_conditional_response(request, etag=tag, last_modified=changed_at)
    if response is None:
        response = _by_proxy(request, row) or _by_us(request, row, headers)
        response.headers["Content-Type"] = f"image/{row.format}"
        if (name := request.GET.get("download")) is not None:
            response.headers["Content-Disposition"] = _attachment(row, name)
    for name, value in headers.items():
        response.headers[name] = value
    return response


def _by_proxy(request: HttpRequest, row: Rendition) -> HttpResponse | None:
    """Let the proxy send the file, unless it cannot."""
    if darkroom().delivery != ACCEL or any(name in request.headers for name in _NOT_BY_PROXY):
        return None
    path = call_storage(lambda: media.proxied_path(row.key))
    return HttpResponse(headers={"X-Accel-Redirect": path})


def _by_us(request: HttpRequest, row: Rendition, headers: dict[str, str]) -> HttpResponse:
    if request.method == "HEAD":
        return _answer(request, b"", {"Content-Length": str(row.byte_size)})
    part = _part(request, row.byte_size, headers)
    if part is not None and not part:
        return HttpResponse(
            status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            headers={"Content-Range": f"bytes */{row.byte_size}"},
        )
    with call_storage(lambda: media.open(row.key)) as file:
        if part is None:
            return _answer(request, call_storage(file.read), {})
        call_storage(lambda: file.seek(part.start))
        body = call_storage(lambda: file.read(len(part)))
    whole = {"Content-Range": f"bytes {part.start}-{part.stop - 1}/{row.byte_size}"}
    return _answer(request, body, whole, HTTPStatus.PARTIAL_CONTENT)


def _answer(
    request: HttpRequest, body: bytes, headers: dict[str, str], status: HTTPStatus = HTTPStatus.OK
) -> HttpResponse:
    response = HttpResponse(body, status=status, headers={"Accept-Ranges": "bytes", **headers})
    if darkroom().delivery == ACCEL and FAILED in request.headers:
        # `manage.py doctor` looks for it.
        response.headers[FAILED] = "1"
    return response


def _part(request: HttpRequest, size: int, headers: dict[str, str]) -> range | None:
    """Return the bytes for which the request asks, empty if there are none, or None for the whole file."""
    wanted = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if not wanted or not _is_of_this_file(request.headers.get("If-Range"), headers):
        return None
    first, last = wanted["first"], wanted["last"]
    if first:
        if last and int(last) < int(first):
            return None
        return range(int(first), min(int(last) + 1, size) if last else size)
    return range(max(size - int(last), 0), size) if last else None


def _is_of_this_file(condition: str | None, headers: dict[str, str]) -> bool:
    """Return whether `If-Range` names this file, by its tag or by its exact date."""
    if condition is None or condition == headers["ETag"]:
        return True
    date = parse_http_date_safe(condition)
    return date is not None and date == parse_http_date_safe(headers.get("Last-Modified", ""))


def _attachment(row: Rendition, wanted: str) -> str:
    """Return the header that saves the file under a name, with the extension of its format.

    The upload's own name is its owner's, so the request has to give one.
    """
    allowed = "".join(character for character in wanted if _is_allowed(character))
    stem = allowed.strip(" .")[:_NAME_LENGTH] or row.preset
    return content_disposition_header(True, f"{stem}.{EXTENSIONS[row.format]}") or "attachment"  # type: ignore[index]


def _is_allowed(character: str) -> bool:
    return character.isprintable() and character not in _FORBIDDEN
