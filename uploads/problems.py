"""Errors as RFC 9457 problem details: `type`, `title`, `status`, `detail`, and a stable `code`."""

from typing import Any

from django.http import JsonResponse

from processing.errors import Refusal
from processing.refusals import sentence

CONTENT_TYPE = "application/problem+json"


def problem(*, status: int, code: str, title: str, detail: str, **more: Any) -> dict[str, Any]:
    """Return the members of a problem's JSON object."""
    kind = f"urn:darkroom:problem:{code}"
    return {"type": kind, "title": title, "status": int(status), "detail": detail, "code": code, **more}


def members_of(refusal: Refusal) -> dict[str, Any]:
    """Return what a problem says of a refusal, in the present language."""
    detail = sentence(refusal)
    return {"status": refusal.status, "code": refusal.code, "title": refusal.title, "detail": detail}


def problem_response(*, status: int, code: str, title: str, detail: str) -> JsonResponse:
    """Return a problem as an answer of a plain Django view."""
    body = problem(status=status, code=code, title=title, detail=detail)
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})
