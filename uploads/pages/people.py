"""The owner and the signed-in person of a request, and whether the owner may act now."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from processing import refusals
from processing.errors import Refusal
from uploads.owners import Owner, admits, owner_of
from uploads.receiving.rate_limits import Action, take_action

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_View = Callable[..., HttpResponse]


def person_of(request: HttpRequest) -> User:
    """Return the signed-in person. Only for views that require sign-in."""
    return cast("User", request.user)


def owner_required(view: _View) -> _View:
    """Pass on requests that act for an owner, send visitors to sign in, and refuse other users."""
    return _guarded(view, lambda request: owner_of(request) is not None)


def sender_required(view: _View) -> _View:
    """Pass on requests that may send images, also those of visitors if the project admits them."""
    return _guarded(view, admits)


def acting_owner(request: HttpRequest) -> Owner:
    """Return the owner for whom a request acts. Only for views that require an owner."""
    return owner_of(request)


def _guarded(view: _View, may_pass: Callable[[HttpRequest], bool]) -> _View:
    @wraps(view)
    def guarded(request: HttpRequest, *arguments: Any, **names: Any) -> HttpResponse:
        if may_pass(request):
            return view(request, *arguments, **names)
        if request.user.is_authenticated:
            raise PermissionDenied
        return redirect_to_login(request.get_full_path())

    return guarded


def may_act(request: HttpRequest, action: Action, images: int = 1) -> bool:
    """Count an action on images, and return whether it is allowed. If it is not, show the refusal."""
    try:
        take_action(person=acting_owner(request), action=action, images=images)
    except Refusal as refusal:
        messages.error(request, refusals.sentence(refusal))
        return False
    return True
