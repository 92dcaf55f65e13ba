"""The deletion of an account with everything that belongs to it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from allauth.core.internal import ratelimit
from django import forms
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from myproject.accounts import adapter
from uploads import services
from uploads.models import Endpoint
from uploads.notices import mailbox, preferences
from uploads.pages.people import person_of
from uploads.receiving import quotas


class DeletionForm(forms.Form):
    """Ask for the password, or for the user name of a person who has no password."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    username = forms.CharField(
        label=gettext_lazy("Username"),
        help_text=gettext_lazy("Type your username to confirm the deletion."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *values: Any, person: User) -> None:
        super().__init__(*values)
        self._person = person
        del self.fields["username" if person.has_usable_password() else "password"]

    def clean_password(self) -> None:
        """Refuse a wrong password."""
        if not self._person.check_password(self.cleaned_data["password"]):
            raise ValidationError(_("This password is wrong. Enter the password of this account."))

    def clean_username(self) -> None:
        """Refuse another user name."""
        if self.cleaned_data["username"] != self._person.get_username():
            raise ValidationError(
                _("This is not your username. Type it exactly as shown on the account page.")
            )


@transaction.atomic
def remove(request: HttpRequest, person: User) -> None:
    """Delete a person's account with everything of theirs, and confirm it by mail."""
    address = mailbox.address_of(person)
    if address:
        # If staff delete the account, the request has their language.
        with override(preferences.language_of(person)):
            mail = adapter.AccountAdapter(request)
            mail.send_mail("account/email/account_deleted", address, {"user": person})
    services.remove_person(person=person)


@login_required
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest) -> HttpResponse:
    """Show what a deletion removes, and delete the account once the person has confirmed it."""
    person = person_of(request)
    if person.is_staff or person.is_superuser:
        status = HTTPStatus.FORBIDDEN if request.method == "POST" else HTTPStatus.OK
        return render(request, "uploads/delete_account.html", status=status)
    if not ratelimit.consume(request, app="allauth.account", action="reauthenticate", user=person):
        return adapter.too_many_attempts(request)
    form = DeletionForm(*([request.POST] if request.method == "POST" else []), person=person)
    if form.is_valid():
        remove(request, person)
        request.session.flush()
        return redirect("deleted_account")
    context = {
        "form": form,
        "usage": quotas.usage_of(person),
        "webhooks": Endpoint.objects.filter(owner=person).count(),
    }
    return render(request, "uploads/delete_account.html", context)


@never_cache
@require_safe
def deleted(request: HttpRequest) -> HttpResponse:
    """Confirm that an account is deleted."""
    return render(request, "uploads/deleted_account.html")
