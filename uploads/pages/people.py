"""The signed-in person of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def person_of(request: HttpRequest) -> User:
    """Return the signed-in person. Only for views that require sign-in."""
    return cast("User", request.user)
