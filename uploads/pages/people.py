"""Who a page is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def person_of(request: HttpRequest) -> User:
    """Return who has signed in; only for views that let nobody else in."""
    return cast("User", request.user)
