"""The account page: sign-in details, usage, the email choice and tokens."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from uploads.models import Preferences
from uploads.notices import mailbox, preferences
from uploads.owners import owner_of
from uploads.pages import tokens
from uploads.pages.people import person_of
from uploads.receiving import quotas


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Show a person's account. A POST request creates a token."""
    person, owner = person_of(request), owner_of(request)
    context = {
        **tokens.panel(request),
        "usage": quotas.usage_of(owner) if owner else None,
        "email_choices": Preferences.Email.choices,
        "email_choice": preferences.email_choice(person),
        "reports": preferences.wants_reports(person) if person.is_staff else None,
        "refused": mailbox.refused_address(person),
    }
    status = HTTPStatus.BAD_REQUEST if context["token_form"].errors else HTTPStatus.OK
    return render(request, "uploads/account.html", context, status=status)


@login_required
@require_POST
def choose_email(request: HttpRequest) -> HttpResponse:
    """Store a person's email choice."""
    choice = request.POST.get("email", "")
    if choice in Preferences.Email.values:
        preferences.choose_email(person=person_of(request), choice=choice)
        messages.success(request, _("Saved."))
    return redirect("uploads:account")


@login_required
@require_POST
def choose_reports(request: HttpRequest) -> HttpResponse:
    """Store whether a member of staff gets reports."""
    preferences.choose_reports(person=person_of(request), wanted="reports" in request.POST)
    messages.success(request, _("Saved."))
    return redirect("uploads:account")
