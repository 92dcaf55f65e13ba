"""The pages of webhooks: list, add, look at, test, rotate, send again, without a script."""

import uuid
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from processing import refusals
from processing.errors import Refusal
from uploads.models import Endpoint, Event
from uploads.notices import endpoints, webhooks
from uploads.notices.url_safety import MAX_LENGTH, InvalidAddress
from uploads.pages.people import person_of

# How many deliveries the page of an endpoint lists; the API has them all.
DELIVERIES = 50


class EndpointForm(forms.Form):
    """What a person says of a new endpoint."""

    url = forms.CharField(label=_("Address"), max_length=MAX_LENGTH, widget=forms.URLInput)
    description = forms.CharField(label=_("Description"), max_length=200, required=False)
    events = forms.MultipleChoiceField(
        label=_("Events (all where none is chosen)"),
        choices=[(name.value, name.value) for name in Event.OF_UPLOADS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def clean_url(self) -> str:
        """Refuse an address that nothing can be sent to."""
        url: str = self.cleaned_data["url"]
        try:
            endpoints.check_url(url)
        except InvalidAddress as error:
            raise forms.ValidationError(str(error)) from error
        return url


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def webhook_list(request: HttpRequest) -> HttpResponse:
    """List a person's webhooks, and take a new one."""
    form = EndpointForm(request.POST or None, label_suffix="")
    if form.is_valid():
        add = partial(endpoints.add, owner=person_of(request), **form.cleaned_data)
        _tell(request, add, _("The webhook is ready. Send it a test."))
        return redirect("uploads:webhooks")
    context = {"endpoints": endpoints.endpoints_of(person_of(request)), "form": form}
    status = HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK
    return render(request, "uploads/webhooks.html", context, status=status)


@login_required
@never_cache
@require_safe
def webhook(request: HttpRequest, endpoint_id: uuid.UUID) -> HttpResponse:
    """Show a webhook with its secrets and what was sent to it."""
    endpoint = _own_endpoint(request, endpoint_id)
    context = {
        "endpoint": endpoint,
        "secrets": webhooks.signing_secrets(endpoint),
        "deliveries": endpoint.deliveries.select_related("event").order_by("-created_at", "-id")[:DELIVERIES],
    }
    return render(request, "uploads/webhook.html", context)


@login_required
@require_POST
def act(request: HttpRequest, endpoint_id: uuid.UUID, action: str) -> HttpResponse:
    """Test, rotate, enable, disable or delete a webhook."""
    if action not in _ACTIONS:
        raise Http404
    endpoint = _own_endpoint(request, endpoint_id)
    call, words = _ACTIONS[action]
    _tell(request, partial(call, endpoint), words)
    return redirect("uploads:webhooks") if action == "delete" else redirect("uploads:webhook", endpoint_id)


@login_required
@require_POST
def resend(request: HttpRequest, endpoint_id: uuid.UUID, delivery_id: uuid.UUID) -> HttpResponse:
    """Send an event again."""
    endpoint = _own_endpoint(request, endpoint_id)
    delivery = get_object_or_404(endpoint.deliveries.select_related("endpoint"), pk=delivery_id)
    _tell(request, partial(endpoints.send_again, delivery=delivery), _("It is sent again."))
    return redirect("uploads:webhook", endpoint_id)


_ACTIONS: dict[str, tuple[Callable[[Endpoint], Any], Any]] = {
    "test": (lambda endpoint: endpoints.send_test(endpoint=endpoint), _("A test is on its way.")),
    "rotate": (
        lambda endpoint: endpoints.rotate(endpoint=endpoint),
        _("There is a new secret; the former one is valid for a day."),
    ),
    "enable": (
        lambda endpoint: endpoints.change(endpoint=endpoint, enabled=True),
        _("The webhook is enabled."),
    ),
    "disable": (
        lambda endpoint: endpoints.change(endpoint=endpoint, enabled=False),
        _("The webhook is disabled."),
    ),
    "delete": (lambda endpoint: endpoint.delete(), _("The webhook is deleted.")),
}


def _tell(request: HttpRequest, call: Callable[[], Any], words: Any) -> None:
    """Do it, and tell that it is done or why it was refused."""
    try:
        call()
    except Refusal as refusal:
        messages.error(request, refusals.sentence(refusal))
    else:
        messages.success(request, words)


def _own_endpoint(request: HttpRequest, endpoint_id: uuid.UUID) -> Endpoint:
    return get_object_or_404(endpoints.endpoints_of(person_of(request)), pk=endpoint_id)
