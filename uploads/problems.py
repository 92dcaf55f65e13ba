"""Errors as RFC 9457 problem details: `type`, `title`, `status`, `detail`, and a stable `code`."""

from http import HTTPStatus
from typing import Any

from django.http import JsonResponse

from processing.errors import Refusal
from processing.refusals import sentence

CONTENT_TYPE = "application/problem+json"
# Seconds after which something outside is asked again that does not answer now.
_AGAIN = 60


class DatabaseUnavailable(Refusal):
    """The database does not answer now."""

    code = "database_unavailable"
    title = "The database is not available"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = _AGAIN


class StorageAway(Refusal):
    """The storage does not answer now."""

    code = "storage_unavailable"
    title = "The storage is not available"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = _AGAIN


def database_unavailable() -> DatabaseUnavailable:
    """Return what is told while the database does not answer."""
    return DatabaseUnavailable("The database did not answer just now; send the request again in a minute.")


def storage_unavailable() -> StorageAway:
    """Return what is told while the storage does not answer."""
    return StorageAway("The file could not be stored just now and was not taken; send it again in a minute.")


def problem(*, status: int, code: str, title: str, detail: str, **more: Any) -> dict[str, Any]:
    """Return the members of a problem's JSON object."""
    kind = f"urn:darkroom:problem:{code}"
    return {"type": kind, "title": title, "status": int(status), "detail": detail, "code": code, **more}


def members_of(refusal: Refusal) -> dict[str, Any]:
    """Return what a problem says of a refusal, in the present language."""
    detail = sentence(refusal)
    return {"status": refusal.status, "code": refusal.code, "title": refusal.title, "detail": detail}


def headers_of(refusal: Refusal) -> dict[str, str]:
    """Return the headers that an answer with this refusal has."""
    return {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else {}


def problem_response(
    *, status: int, code: str, title: str, detail: str, headers: dict[str, str] | None = None
) -> JsonResponse:
    """Return a problem as an answer of a plain Django view."""
    body = problem(status=status, code=code, title=title, detail=detail)
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE, headers=headers)


def refused(refusal: Refusal) -> JsonResponse:
    """Return a refusal as an answer of a plain Django view."""
    return problem_response(**members_of(refusal), headers=headers_of(refusal))
