"""Admission: decide whether a sender may send an image, before its body is read."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.settings import api_settings

from processing import refusals
from processing.database.availability import DATABASE_UNAVAILABLE, refuses_writes
from processing.errors import Refusal
from processing.storages import disk_space
from uploads.problems import database_unavailable, refused
from uploads.receiving import quotas, rate_limits
from uploads.receiving.body_guard import FORM, FORM_FILE, Scope, replaces_file
from uploads.tokens.scopes import ALL, require, require_upload

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class NotSignedIn(Refusal):
    """The sender is not signed in."""

    code = "not_authenticated"
    title = "Unauthorized"
    status = HTTPStatus.UNAUTHORIZED


def admit(*, person: User, address: str, byte_size: int = 0, replaces: bool = False) -> None:
    """Check the database, the disk and the quota, and count an image against the rate limits.

    If the image replaces the file of another, the quota is checked when it is stored, because only the growth
    counts. Raises `DatabaseUnavailable`, `StorageFull`, `RateLimited` or `QuotaExceeded`.
    """
    if refuses_writes():
        raise database_unavailable()
    disk_space.check(byte_size)
    if not replaces:
        quotas.check(person=person, byte_size=byte_size)
    rate_limits.take(person_id=person.pk, address=address)


def refusal_of(scope: Scope, byte_size: int) -> Refusal | None:
    """Return why the sender may not send an image of this size now, or None if they may.

    Call it in a thread without a database connection: it opens one and closes it.
    """
    try:
        sender = _sender(scope)
        if sender is None:
            return NotSignedIn("Sign in, or send an API token.")
        person, auth = sender
        replaces = replaces_file(scope)
        if replaces:
            require(auth, ALL)
        else:
            require_upload(auth)
        address = scope["client"][0] if scope.get("client") else ""
        admit(person=person, address=address, byte_size=byte_size, replaces=replaces)
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
        if request.path_info == FORM:
            messages.error(request, refusals.sentence(refusal))
            return redirect("uploads:home")
        if replaced := FORM_FILE.fullmatch(request.path_info):
            messages.error(request, refusals.sentence(refusal))
            return redirect("uploads:image", replaced["id"])
        return refused(refusal)


def _sender(scope: Scope) -> tuple[User, object] | None:
    """Return the sender of a request with their token, or with None if a session identifies them."""
    # With GET, Django REST framework skips the CSRF check. The view does that check, because it has the body.
    request = ASGIRequest({**scope, "method": "GET"}, BytesIO())
    SessionMiddleware(_no_view).process_request(request)
    AuthenticationMiddleware(_no_view).process_request(request)
    ways = cast("list[type[BaseAuthentication]]", api_settings.DEFAULT_AUTHENTICATION_CLASSES)
    sent = Request(request, authenticators=[way() for way in ways])
    try:
        return (sent.user, sent.auth) if sent.user.is_authenticated else None
    except APIException:
        return None


def _no_view(request: HttpRequest) -> HttpResponse:
    """Fill the `get_response` argument of a middleware; it is never called."""
    raise NotImplementedError
