"""Turn the expected exceptions of the API into problems (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.csrf import csrf_failure as html_csrf_failure
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as default_handler

from processing.database.availability import DATABASE_UNAVAILABLE
from processing.errors import Refusal
from processing.storages.media import FileMissing, StorageUnavailable
from uploads.place import below
from uploads.problems import (
    CONTENT_TYPE,
    database_unavailable,
    headers_of,
    members_of,
    problem,
    problem_response,
    storage_unavailable,
)
from uploads.receiving import unparsed

# The stable codes for Django REST framework's exceptions.
_CODES: dict[type[Exception], str] = {
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.AuthenticationFailed: "authentication_failed",
    exceptions.PermissionDenied: "permission_denied",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.ParseError: "malformed_request",
    exceptions.ValidationError: "invalid",
    exceptions.Throttled: "rate_limited",
}


@csrf_exempt
def not_found(request: HttpRequest, **kwargs: Any) -> JsonResponse:
    """Answer 404 for an unknown path below the API."""
    return problem_response(
        status=HTTPStatus.NOT_FOUND,
        code="not_found",
        title="Not Found",
        detail=_("Nothing exists at this URL."),
    )


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an exception of an API view into a problem, or return None for an unexpected error.

    Django then treats the exception as a server error.
    """
    if isinstance(error, StorageUnavailable):
        error = storage_unavailable()
    elif isinstance(error, DATABASE_UNAVAILABLE):
        error = database_unavailable()
    elif isinstance(error, unparsed.ERRORS):
        error = unparsed.refusal_of(error)
    if isinstance(error, Refusal):
        body = problem(**members_of(error))
        return Response(body, status=error.status, content_type=CONTENT_TYPE, headers=headers_of(error))
    if isinstance(error, Http404 | FileMissing):
        error = exceptions.NotFound()
    elif isinstance(error, RecursionError):
        # Thousands of nested JSON brackets exceed the recursion limit.
        error = exceptions.ParseError()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    response = default_handler(error, context)
    if response is not None and isinstance(error, exceptions.APIException):
        response.data = _from_api_exception(error, response.status_code)
        response.content_type = CONTENT_TYPE
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a request without a valid CSRF token: a page for browsers, a problem for the API."""
    if below(request.path_info).startswith("/api/"):
        return problem_response(
            status=HTTPStatus.FORBIDDEN,
            code="csrf_failed",
            title="The request could not be verified",
            detail=_("Reload the page and try again, or send an API token."),
        )
    return html_csrf_failure(request, reason)


def _from_api_exception(error: exceptions.APIException, status: int) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    code = _CODES.get(type(error), "error")
    if isinstance(error, exceptions.AuthenticationFailed):
        code = str(error.get_codes())
    if isinstance(error, exceptions.ValidationError) and isinstance(error.detail, dict):
        first_field, messages = next(iter(error.detail.items()))
        detail = f"{first_field}: {messages[0]}" if isinstance(messages, list) else str(messages)
        return problem(status=status, code=code, title=title, detail=detail, errors=error.detail)
    return problem(status=status, code=code, title=title, detail=_sentence(error.detail))


def _sentence(detail: Any) -> str:
    return str(detail[0]) if isinstance(detail, list) and detail else str(detail)
