"""A person's account: the API token, and how much mail they want."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from uploads import accounts, preferences, quotas
from uploads.accounts import person_of
from uploads.models import Preferences


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Show a person's account; a POST makes a new API token."""
    person = person_of(request)
    if request.method == "POST":
        accounts.renew_token(user=person)
        messages.success(request, _("The new token is ready."))
        return redirect("account")
    context = {
        "usage": quotas.usage_of(person),
        "token": accounts.token_of(user=person),
        "email_choices": Preferences.Email.choices,
        "email_choice": preferences.email_choice(person),
    }
    return render(request, "uploads/account.html", context)


@login_required
@require_POST
def choose_email(request: HttpRequest) -> HttpResponse:
    """Note how much mail a person wants."""
    choice = request.POST.get("email", "")
    if choice in Preferences.Email.values:
        preferences.choose_email(person=person_of(request), choice=choice)
        messages.success(request, _("Your choice is saved."))
    return redirect("account")
