"""Who a page is for."""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest


def person_of(request: HttpRequest) -> User:
    """Return who has signed in; only for views that let nobody else in."""
    return cast("User", request.user)
