"""The tokens on the account page, which work without scripts."""

import uuid
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from processing import clock, refusals
from processing.errors import Refusal
from uploads.models import Token
from uploads.pages.people import person_of
from uploads.tokens import issuing
from uploads.tokens.issuing import Issued

_SCOPES = (
    (Token.Scope.READ, _("Read images, events and notices")),
    (Token.Scope.UPLOAD, _("Send images, and read only those")),
    (Token.Scope.ALL, _("Everything, including deleting images and creating tokens")),
)
# Days until a token expires.
_LIFETIMES = ((30, _("after 30 days")), (365, _("after a year")), (0, _("never")))


class TokenForm(forms.Form):
    """The form that creates a token."""

    name = forms.CharField(label=_("Name, such as the program that uses it"), max_length=100)
    scope = forms.ChoiceField(
        label=_("Permissions"),
        choices=_SCOPES,
        initial=Token.Scope.READ,
        widget=forms.RadioSelect,
    )
    days = forms.TypedChoiceField(label=_("Expires"), choices=_LIFETIMES, coerce=int, initial=365)


def panel(request: HttpRequest) -> dict[str, Any]:
    """Return what the account page shows of tokens. A POST request creates a token first.

    The key is in this response only. It is stored neither in the database nor in the session.
    """
    form = TokenForm(request.POST if request.method == "POST" else None, label_suffix="")
    issued = _issue(request, form) if form.is_valid() else None
    return {
        "tokens": issuing.tokens_of(person_of(request)),
        "token_form": TokenForm(label_suffix="") if issued else form,
        "issued": issued,
    }


@login_required
@require_POST
def revoke(request: HttpRequest, token_id: uuid.UUID) -> HttpResponse:
    """Revoke a token."""
    issuing.revoke(get_object_or_404(issuing.tokens_of(person_of(request)), pk=token_id))
    messages.success(request, _("Token revoked."))
    return redirect("uploads:account")


@login_required
@require_POST
def revoke_all(request: HttpRequest) -> HttpResponse:
    """Revoke all tokens of a person."""
    issuing.revoke_tokens(person_of(request))
    messages.success(request, _("All tokens revoked."))
    return redirect("uploads:account")


def _issue(request: HttpRequest, form: TokenForm) -> Issued | None:
    """Issue the token of a valid form, or show why this is refused."""
    wanted = form.cleaned_data
    expires_at = clock.now() + timedelta(days=wanted["days"]) if wanted["days"] else None
    try:
        issued = issuing.add(
            owner=person_of(request), name=wanted["name"], scope=wanted["scope"], expires_at=expires_at
        )
    except Refusal as refusal:
        messages.error(request, refusals.sentence(refusal))
        return None
    messages.success(request, _("Token created. Copy its key now."))
    return issued
