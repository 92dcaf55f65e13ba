"""The account page: the API token and the email choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from rest_framework.authtoken.models import Token

from uploads.models import Preferences
from uploads.notices import preferences
from uploads.pages.people import person_of
from uploads.receiving import quotas

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def token_of(*, user: User) -> Token | None:
    """Return a person's API token, if they have one."""
    return Token.objects.filter(user=user).first()


def renew_token(*, user: User) -> Token:
    """Replace a person's API token. The old token stops working."""
    with transaction.atomic():
        Token.objects.filter(user=user).delete()
        return Token.objects.create(user=user)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Show a person's account. A POST request creates a new API token."""
    person = person_of(request)
    if request.method == "POST":
        renew_token(user=person)
        messages.success(request, _("New token created."))
        return redirect("uploads:account")
    context = {
        "usage": quotas.usage_of(person),
        "token": token_of(user=person),
        "email_choices": Preferences.Email.choices,
        "email_choice": preferences.email_choice(person),
    }
    return render(request, "uploads/account.html", context)


@login_required
@require_POST
def choose_email(request: HttpRequest) -> HttpResponse:
    """Store a person's email choice."""
    choice = request.POST.get("email", "")
    if choice in Preferences.Email.values:
        preferences.choose_email(person=person_of(request), choice=choice)
        messages.success(request, _("Saved."))
    return redirect("uploads:account")
