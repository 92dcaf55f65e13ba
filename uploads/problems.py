"""Errors as RFC 9457 problem details: `type`, `title`, `status`, `detail` and a stable `code`.

A browser that asks for a page gets a page instead.
"""

import logging
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language_from_request, override
from django.views.defaults import server_error as html_server_error

from processing.database.availability import DATABASE_UNAVAILABLE
from processing.errors import Refusal
from processing.refusals import sentence
from uploads.place import below

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
# Seconds that clients should wait before they retry while a backing service is unavailable.
AGAIN = 60


class DatabaseUnavailable(Refusal):
    """The database is unavailable."""

    code = "database_unavailable"
    title = "The database is not available"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = AGAIN


class StorageAway(Refusal):
    """The storage is unavailable."""

    code = "storage_unavailable"
    title = "The storage is not available"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = AGAIN


class Busy(Refusal):
    """The process does as much at once as it may."""

    code = "busy"
    title = "The server is busy"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 5


class MalformedRequest(Refusal):
    """The request cannot be parsed."""

    code = "malformed_request"
    title = "Bad Request"
    status = HTTPStatus.BAD_REQUEST


def malformed_request() -> MalformedRequest:
    """Return the refusal for a request that cannot be parsed."""
    return MalformedRequest("The request is malformed. Check the URL and the form, and send it again.")


def busy() -> Busy:
    """Return the refusal of a busy process."""
    return Busy("The server is busy. Try again in a few seconds.")


def database_unavailable() -> DatabaseUnavailable:
    """Return the refusal for an unavailable database."""
    return DatabaseUnavailable("The database is temporarily unavailable. Send the request again in a minute.")


def storage_unavailable() -> StorageAway:
    """Return the refusal for an unavailable storage."""
    return StorageAway(
        "The storage is temporarily unavailable, so the file was not saved. Upload it again in a minute."
    )


def problem(*, status: int, code: str, title: str, detail: str, **more: Any) -> dict[str, Any]:
    """Return the members of a problem's JSON object."""
    kind = f"urn:darkroom:problem:{code}"
    return {"type": kind, "title": title, "status": int(status), "detail": detail, "code": code, **more}


def members_of(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal as the members of a problem, with `detail` in the active language."""
    detail = sentence(refusal)
    known = {"status": refusal.status, "code": refusal.code, "title": refusal.title, "detail": detail}
    return {**known, **refusal.members}


def headers_of(refusal: Refusal) -> dict[str, str]:
    """Return the response headers of a refusal."""
    return {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else {}


def problem_response(
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> JsonResponse:
    """Return a problem as a response of a plain Django view."""
    body = problem(status=status, code=code, title=title, detail=detail, **more)
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE, headers=headers)


def refused(refusal: Refusal) -> JsonResponse:
    """Return a refusal as a response of a plain Django view."""
    return problem_response(**members_of(refusal), headers=headers_of(refusal))


def answer(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """Return a refusal as a page if a browser asks for one, or else as a problem.

    The page is rendered without the request: neither its user nor its query may be readable.
    """
    with override(get_language_from_request(request)):
        if not _wants_page(request):
            return refused(refusal)
        page = render_to_string("uploads/refusal.html", {"sentence": sentence(refusal)})
    headers = {"Cache-Control": "no-store", **headers_of(refusal)}
    return HttpResponse(page, status=refusal.status, headers=headers)


class DatabaseUnavailableMiddleware:
    """Answer requests whose view fails because the database is unavailable. It is the last middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on the request."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 503 while the database is unavailable, and leave other exceptions to Django."""
        if not isinstance(exception, DATABASE_UNAVAILABLE):
            return None
        logger.warning("The database is unavailable: %s", exception)
        return answer(request, database_unavailable())


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an exception of a middleware, for example of the session's; it is Django's `handler500`."""
    if isinstance(sys.exception(), DATABASE_UNAVAILABLE):
        return answer(request, database_unavailable())
    return html_server_error(request)


def _wants_page(request: HttpRequest) -> bool:
    return not below(request.path_info).startswith("/api/") and "text/html" in request.headers.get(
        "Accept", ""
    )
