"""The signed-in person of a request, and whether the person may act now."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.http import HttpRequest

from processing import refusals
from processing.errors import Refusal
from uploads.receiving.rate_limits import Action, take_action

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def person_of(request: HttpRequest) -> User:
    """Return the signed-in person. Only for views that require sign-in."""
    return cast("User", request.user)


def may_act(request: HttpRequest, action: Action, images: int = 1) -> bool:
    """Count an action on images, and return whether it is allowed. If it is not, show the refusal."""
    try:
        take_action(person_id=person_of(request).pk, action=action, images=images)
    except Refusal as refusal:
        messages.error(request, refusals.sentence(refusal))
        return False
    return True
