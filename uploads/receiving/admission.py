"""Admission: decide whether a sender may send an image, before its body is read."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from processing import refusals
from processing.database.availability import DATABASE_UNAVAILABLE, refuses_writes
from processing.errors import Refusal
from processing.storages import disk_space
from uploads.owners import admits, owner_of
from uploads.place import below
from uploads.problems import database_unavailable, refused
from uploads.receiving import quotas, rate_limits
from uploads.receiving.body_guard import FORM, FORM_FILE, Scope, replaces_file
from uploads.tokens import authentication
from uploads.tokens.scopes import ALL, require, require_upload

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class NotSignedIn(Refusal):
    """The sender is not signed in."""

    code = "not_authenticated"
    title = "Unauthorized"
    status = HTTPStatus.UNAUTHORIZED


def admit(*, person: User | None, address: str, byte_size: int = 0, replaces: bool = False) -> None:
    """Check the database, the disk and the quota, and count an image against the rate limits.

    `person` is None for a visitor whose owner is made when the image is stored. If the image replaces the
    file of another, the quota is checked when it is stored, because only the growth counts.

    Raises `DatabaseUnavailable`, `StorageFull`, `RateLimited` or `QuotaExceeded`.
    """
    if refuses_writes():
        raise database_unavailable()
    disk_space.check(byte_size)
    if person is not None and not replaces:
        quotas.check(person=person, byte_size=byte_size)
    rate_limits.take(person=person, address=address)


def refusal_of(scope: Scope, byte_size: int) -> Refusal | None:
    """Return why the sender may not send an image of this size now, or None if they may.

    Call it in a thread without a database connection: it opens one and closes it.
    """
    try:
        request = _request_of(scope)
        token = authentication.sign_in(request)
        if not admits(request):
            return NotSignedIn("Sign in, or send an API token.")
        replaces = replaces_file(scope)
        if replaces:
            require(token, ALL)
        else:
            require_upload(token)
        address = scope["client"][0] if scope.get("client") else ""
        admit(person=owner_of(request), address=address, byte_size=byte_size, replaces=replaces)
    except authentication.INVALID:
        return NotSignedIn("Sign in, or send an API token.")
    except Refusal as refusal:
        return refusal
    except DATABASE_UNAVAILABLE:
        return database_unavailable()
    finally:
        connections.close_all()
    return None


def is_admitted(request: HttpRequest) -> bool:
    """Return whether the body guard has admitted the request; if not, the view must call `admit` itself."""
    return bool(getattr(request, "scope", {}).get("admitted"))


class RefusalMiddleware:
    """Answer a refused request: with problem details (RFC 9457), or with a message on the form's page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on admitted requests, and unauthenticated ones, which each view handles differently."""
        refusal: Refusal | None = getattr(request, "scope", {}).get("refusal")
        if refusal is None or isinstance(refusal, NotSignedIn):
            return self._get_response(request)
        if below(request.path_info) == FORM:
            messages.error(request, refusals.sentence(refusal))
            return redirect("uploads:home")
        if replaced := FORM_FILE.fullmatch(below(request.path_info)):
            messages.error(request, refusals.sentence(refusal))
            return redirect("uploads:image", replaced["id"])
        return refused(refusal)


def _request_of(scope: Scope) -> HttpRequest:
    """Return a request without its body, with its session's user."""
    # The view checks the CSRF token, because it has the body.
    request = ASGIRequest({**scope, "method": "GET"}, BytesIO())
    SessionMiddleware(_no_view).process_request(request)
    AuthenticationMiddleware(_no_view).process_request(request)
    return request


def _no_view(request: HttpRequest) -> HttpResponse:
    """Fill the `get_response` argument of a middleware; it is never called."""
    raise NotImplementedError
