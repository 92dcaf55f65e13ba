"""Represent tokens as JSON."""

from datetime import datetime
from typing import ClassVar

from django.utils.translation import gettext as _
from rest_framework import serializers

from processing import clock
from uploads.models import Token


class TokenSerializer(serializers.ModelSerializer[Token]):
    """A token without its key."""

    scope = serializers.ChoiceField(Token.Scope.choices, default=Token.Scope.READ)
    prefix = serializers.CharField(read_only=True, help_text="the beginning of the key")
    expires_at = serializers.DateTimeField(
        allow_null=True,
        default=None,
        help_text="when the token stops working; null: never, or with this request's own token",
    )

    class Meta:
        model = Token
        fields: ClassVar[tuple[str, ...]] = (
            "id",
            "name",
            "scope",
            "prefix",
            "created_at",
            "expires_at",
            "last_used_at",
        )
        read_only_fields = ("id", "created_at", "last_used_at")

    def validate_expires_at(self, moment: datetime | None) -> datetime | None:
        """Refuse a past time, or one after the expiry of the request's token, which is also the default."""
        if moment is not None and moment <= clock.now():
            raise serializers.ValidationError(_("Choose a time in the future."))
        auth = self.context["request"].auth
        latest = auth.expires_at if isinstance(auth, Token) else None
        if latest and moment and moment > latest:
            raise serializers.ValidationError(
                _("Choose a time until %(latest)s, when the token of this request expires.")
                % {"latest": latest.isoformat()}
            )
        return moment or latest


class NewTokenSerializer(TokenSerializer):
    """A new token with its key, which is shown only here."""

    key = serializers.SerializerMethodField(help_text="the secret key")

    class Meta(TokenSerializer.Meta):
        fields: ClassVar[tuple[str, ...]] = (*TokenSerializer.Meta.fields, "key")

    def get_key(self, token: Token) -> str:
        """Return the key, which only the context contains."""
        key: str = self.context["key"]
        return key
