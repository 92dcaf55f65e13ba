"""Errors as problem details: the members, the codes, and the errors that stay server errors."""

import json
from http import HTTPStatus
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404
from django.test import RequestFactory
from rest_framework import exceptions

from processing.images.reading.refusals import UnreadableImage
from processing.storages.media import FileMissing, StorageUnavailable
from uploads.api import problems
from uploads.problems import problem_response

MEMBERS = {"type", "title", "status", "detail", "code"}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UnreadableImage("It is damaged."), 400, "unreadable_image"),
        (StorageUnavailable("It is full."), 503, "storage_unavailable"),
        (OperationalError("the connection is lost"), 503, "database_unavailable"),
        (InterfaceError("connection already closed"), 503, "database_unavailable"),
        (InternalError("cannot execute UPDATE in a read-only transaction"), 503, "database_unavailable"),
        (FileMissing("It is gone."), 404, "not_found"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "permission_denied"),
        (exceptions.NotFound(), 404, "not_found"),
        (exceptions.NotAuthenticated(), 401, "not_authenticated"),
        (exceptions.AuthenticationFailed(), 401, "authentication_failed"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.UnsupportedMediaType("text/plain"), 415, "unsupported_media_type"),
        (exceptions.ParseError(), 400, "malformed_request"),
        (exceptions.ValidationError({"file": ["It is required."]}), 400, "invalid"),
        (exceptions.ValidationError(["It is wrong."]), 400, "invalid"),
        (exceptions.Throttled(wait=7), 429, "rate_limited"),
    ],
)
def test_each_error_has_its_status_and_code(error: Exception, status: int, code: str) -> None:
    response = problems.exception_handler(error, {})
    assert response is not None
    body: Any = response.data
    assert set(body) >= MEMBERS
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    assert response.content_type == "application/problem+json"
    assert body["type"] == f"urn:darkroom:problem:{code}"
    assert body["detail"]
    assert body["title"]


def test_refusal_uses_its_own_sentence() -> None:
    response = problems.exception_handler(UnreadableImage("cat.jpg is damaged."), {})
    assert response is not None
    assert response.data["title"] == "The image cannot be read"
    assert response.data["detail"] == "cat.jpg is damaged."


def test_invalid_field_is_named_in_detail_and_errors() -> None:
    response = problems.exception_handler(exceptions.ValidationError({"file": ["It is required."]}), {})
    assert response is not None
    assert response.data["detail"] == "file: It is required."
    assert response.data["errors"] == {"file": ["It is required."]}


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(exceptions.Throttled(wait=7), "7"), (StorageUnavailable(), "60"), (OperationalError(), "60")],
)
def test_transient_error_has_retry_after(error: Exception, seconds: str) -> None:
    response = problems.exception_handler(error, {})
    assert response is not None
    assert response.headers["Retry-After"] == seconds


def test_unexpected_exception_is_left_to_django() -> None:
    assert problems.exception_handler(ZeroDivisionError(), {}) is None


def test_csrf_failure_of_a_program_is_a_problem() -> None:
    response = problems.csrf_failure(RequestFactory().post("/api/uploads/"), reason="no cookie")
    assert response.status_code == HTTPStatus.FORBIDDEN
    assert response.headers["Content-Type"] == "application/problem+json"
    assert json.loads(response.content)["code"] == "csrf_failed"


def test_csrf_failure_of_a_person_is_a_page() -> None:
    response = problems.csrf_failure(RequestFactory().post("/"), reason="no cookie")
    assert response.status_code == HTTPStatus.FORBIDDEN
    assert response.headers["Content-Type"].startswith("text/html")


def test_problem_of_a_plain_view_is_not_cached() -> None:
    response = problem_response(status=404, code="not_found", title="Not Found", detail="Nothing here.")
    assert set(json.loads(response.content)) == MEMBERS
    assert response.headers["Cache-Control"] == "no-store"
