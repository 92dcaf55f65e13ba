"""The sender of a request to the API: the owner for whom it acts, and the person who has signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.conf import settings
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from uploads.owners import Owner, admits, owner_of, sender_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    # A circular import at run time: REST framework's settings, which this loads, name `HasOwner`.
    from rest_framework.views import APIView


class HasOwner(BasePermission):
    """Refuse a request that acts for no owner.

    A view lists the actions that a visitor may begin with in `visitor_actions`.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the request may pass; raise `PermissionDenied` if it could be forged."""
        begins = getattr(view, "action", None) in getattr(view, "visitor_actions", ())
        if owner_of(request) is None and not (begins and admits(request)):
            return False
        # Django REST framework checks only sessions of users, and a session may name another owner.
        if request.successful_authenticator is None and settings.SESSION_COOKIE_NAME in request.COOKIES:
            SessionAuthentication().enforce_csrf(request)
        return True


def acting_owner(request: Request) -> Owner:
    """Return the owner for whom a request acts; raise `NotAuthenticated` if there is none."""
    return _required(owner_of(request))


def sending_owner(request: Request) -> Owner:
    """Return the owner of the image that a request sends, newly made for a visitor.

    Raises `NotAuthenticated`.
    """
    return _required(sender_of(request))


def signed_in(request: Request) -> User:
    """Return the person who has signed in, for what belongs to people; raise `NotAuthenticated`."""
    return cast("User", _required(request.user if request.user.is_authenticated else None))


def _required(owner: Owner | None) -> Owner:
    if owner is None:
        raise NotAuthenticated
    return owner
