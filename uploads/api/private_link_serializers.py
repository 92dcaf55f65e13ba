"""Represent private links as JSON."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from processing import conf
from processing.refusals import sentence
from uploads.models import PrivateLink
from uploads.serving import links, private_links
from uploads.serving.private_links import InvalidExpiry


class NewPrivateLinkSerializer(serializers.Serializer[Any]):
    """The body of a request that makes a private link.

    Unknown fields are refused: a misspelt expiry must not make a link that is valid for longer.
    """

    preset = serializers.CharField(
        allow_null=True, default=None, help_text="the only preset that the link opens; null for all presets"
    )
    expires_at = serializers.DateTimeField(required=False, help_text="by default in a week")

    def validate_preset(self, name: str | None) -> str:
        """Refuse an unknown preset. Return "" for all presets."""
        if name is not None and conf.preset_named(name) is None:
            known = ", ".join(preset.name for preset in conf.presets())
            raise serializers.ValidationError(
                _("%(wanted)r is not one of %(known)s.") % {"wanted": name, "known": known}
            )
        return name or ""

    def validate_expires_at(self, expires_at: datetime) -> datetime:
        """Refuse an expiry that is in the past or too late."""
        try:
            private_links.check_expiry(expires_at)
        except InvalidExpiry as refusal:
            raise serializers.ValidationError(sentence(refusal)) from refusal
        return expires_at

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse fields that a link does not have."""
        unknown = [name for name in self.initial_data if name not in self.fields]
        if unknown:
            raise serializers.ValidationError(
                {name: [_("A private link does not have this field.")] for name in unknown}
            )
        return attrs


class PrivateLinkSerializer(serializers.ModelSerializer[PrivateLink]):
    """A private link, without its URL."""

    preset = serializers.SerializerMethodField(help_text="null for all presets")

    class Meta:
        model = PrivateLink
        fields: tuple[str, ...] = ("id", "preset", "created_at", "expires_at")
        read_only_fields = fields

    def get_preset(self, link: PrivateLink) -> str | None:
        """Return the only preset that the link opens, or null for all."""
        return link.preset or None


class MadePrivateLinkSerializer(PrivateLinkSerializer):
    """A new private link with its URL, which is shown only once."""

    url = serializers.SerializerMethodField()

    class Meta(PrivateLinkSerializer.Meta):
        fields = (*PrivateLinkSerializer.Meta.fields, "url")
        read_only_fields = fields

    def get_url(self, link: PrivateLink) -> str:
        """Return the absolute URL of the picture: in the link's preset, or in a medium size."""
        preset = link.preset or links.main_preset()
        path = links.picture_path(link.upload, preset, token=self.context["token"])
        return str(self.context["request"].build_absolute_uri(path))
