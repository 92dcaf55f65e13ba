"""Represent webhooks as JSON."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from uploads.models import Delivery, Endpoint, Event, Secret
from uploads.notices import endpoints, webhooks
from uploads.notices.url_safety import InvalidURL
from uploads.tokens import scopes


class SecretSerializer(serializers.ModelSerializer[Secret]):
    """A secret that currently signs webhooks. `expires_at` is null until the secret is rotated."""

    secret = serializers.CharField(source="value")

    class Meta:
        model = Secret
        fields = ("secret", "created_at", "expires_at")


class EndpointSerializer(serializers.ModelSerializer[Endpoint]):
    """An endpoint, as its owner sees it."""

    events = serializers.ListField(
        child=serializers.ChoiceField([(name.value, name.label) for name in Event.OF_UPLOADS]),
        required=False,
        help_text="the events to send; empty for all events",
    )
    enabled = serializers.BooleanField(required=False)
    disabled_reason = serializers.ChoiceField(
        Endpoint.Reason.choices,
        allow_blank=True,
        read_only=True,
        help_text="why the webhook is disabled; empty while it is enabled",
    )
    secrets = serializers.SerializerMethodField()

    class Meta:
        model = Endpoint
        fields = (
            "id", "url", "description", "events", "enabled", "created_at", "disabled_at", "disabled_reason",
            "failing_since", "secrets",
        )  # fmt: skip
        read_only_fields = ("id", "created_at", "disabled_at", "disabled_reason", "failing_since")

    def validate_url(self, url: str) -> str:
        """Refuse a URL to which Darkroom cannot send."""
        try:
            endpoints.check_url(url)
        except InvalidURL as error:
            raise serializers.ValidationError(str(error)) from error
        return url

    @extend_schema_field(SecretSerializer(many=True))
    def get_secrets(self, endpoint: Endpoint) -> Any:
        """Return the secrets that currently sign, newest first; none to a token that may only read."""
        if not scopes.shows_secrets(self.context["request"].auth):
            return []
        return SecretSerializer(webhooks.signing_secrets(endpoint), many=True).data


class WebhookDeliverySerializer(serializers.ModelSerializer[Delivery]):
    """The delivery of an event to an endpoint. `upload` is null if the upload no longer exists."""

    event = serializers.CharField(source="event.name", read_only=True)
    upload = serializers.UUIDField(source="event.upload_id", read_only=True, allow_null=True)
    state = serializers.ChoiceField(["waiting", "delivered", "failed"], read_only=True)
    error = serializers.CharField(source="last_error", read_only=True)

    class Meta:
        model = Delivery
        fields = (
            "id", "event", "upload", "state", "attempts", "created_at", "next_attempt_at", "delivered_at",
            "failed_at", "status_code", "duration", "error",
        )  # fmt: skip
        read_only_fields = fields
