"""The pages of webhooks, which work without scripts."""

import uuid
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from processing import refusals
from processing.errors import Refusal
from uploads.models import Endpoint, Event
from uploads.notices import endpoints, webhooks
from uploads.notices.url_safety import MAX_LENGTH, InvalidURL
from uploads.pages.people import acting_owner, may_act, owner_required
from uploads.receiving.rate_limits import Action

# The number of deliveries that the page of an endpoint lists. The API lists all of them.
DELIVERIES = 50


class EndpointForm(forms.Form):
    """The form that adds an endpoint."""

    url = forms.CharField(label=_("URL"), max_length=MAX_LENGTH, widget=forms.URLInput)
    description = forms.CharField(label=_("Description"), max_length=200, required=False)
    events = forms.MultipleChoiceField(
        label=_("Events (leave empty for all)"),
        choices=[(name.value, name.value) for name in Event.OF_UPLOADS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def clean_url(self) -> str:
        """Refuse a URL that webhooks cannot be sent to."""
        url: str = self.cleaned_data["url"]
        try:
            endpoints.check_url(url)
        except InvalidURL as error:
            raise forms.ValidationError(str(error)) from error
        return url


@owner_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def webhook_list(request: HttpRequest) -> HttpResponse:
    """List a person's webhooks. A POST request adds one."""
    form = EndpointForm(request.POST or None, label_suffix="")
    if form.is_valid():
        add = partial(endpoints.add, owner=acting_owner(request), **form.cleaned_data)
        _tell(request, add, _("Webhook added. Send a test."))
        return redirect("uploads:webhooks")
    context = {"endpoints": endpoints.endpoints_of(acting_owner(request)), "form": form}
    status = HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK
    return render(request, "uploads/webhooks.html", context, status=status)


@owner_required
@never_cache
@require_safe
def webhook(request: HttpRequest, endpoint_id: uuid.UUID) -> HttpResponse:
    """Show a webhook with its secrets and deliveries."""
    endpoint = _own_endpoint(request, endpoint_id)
    context = {
        "endpoint": endpoint,
        "secrets": webhooks.signing_secrets(endpoint),
        "deliveries": endpoint.deliveries.select_related("event").order_by("-created_at", "-id")[:DELIVERIES],
    }
    return render(request, "uploads/webhook.html", context)


@owner_required
@require_POST
def act(request: HttpRequest, endpoint_id: uuid.UUID, action: str) -> HttpResponse:
    """Test, rotate, enable, disable or delete a webhook."""
    if action not in _ACTIONS:
        raise Http404
    endpoint = _own_endpoint(request, endpoint_id)
    call, words = _ACTIONS[action]
    if not may_act(request, Action.WEBHOOK if action == "test" else Action.CHANGE):
        return redirect("uploads:webhook", endpoint_id)
    _tell(request, partial(call, endpoint), words)
    return redirect("uploads:webhooks") if action == "delete" else redirect("uploads:webhook", endpoint_id)


@owner_required
@require_POST
def resend(request: HttpRequest, endpoint_id: uuid.UUID, delivery_id: uuid.UUID) -> HttpResponse:
    """Queue a delivery again."""
    endpoint = _own_endpoint(request, endpoint_id)
    delivery = get_object_or_404(endpoint.deliveries.select_related("endpoint"), pk=delivery_id)
    if may_act(request, Action.WEBHOOK):
        _tell(request, partial(endpoints.send_again, delivery=delivery), _("Delivery queued again."))
    return redirect("uploads:webhook", endpoint_id)


_ACTIONS: dict[str, tuple[Callable[[Endpoint], Any], Any]] = {
    "test": (lambda endpoint: endpoints.send_test(endpoint=endpoint), _("Test event queued.")),
    "rotate": (
        lambda endpoint: endpoints.rotate(endpoint=endpoint),
        _("New secret created. The old secret keeps working for 24 hours."),
    ),
    "enable": (
        lambda endpoint: endpoints.change(endpoint=endpoint, enabled=True),
        _("Webhook enabled."),
    ),
    "disable": (
        lambda endpoint: endpoints.change(endpoint=endpoint, enabled=False),
        _("Webhook disabled."),
    ),
    "delete": (lambda endpoint: endpoint.delete(), _("Webhook deleted.")),
}


def _tell(request: HttpRequest, call: Callable[[], Any], words: Any) -> None:
    """Make a call, and show a message of success or the refusal."""
    try:
        call()
    except Refusal as refusal:
        messages.error(request, refusals.sentence(refusal))
    else:
        messages.success(request, words)


def _own_endpoint(request: HttpRequest, endpoint_id: uuid.UUID) -> Endpoint:
    return get_object_or_404(endpoints.endpoints_of(acting_owner(request)), pk=endpoint_id)
