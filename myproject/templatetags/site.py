"""Template tags for this site's pages."""

from django import template
from django.conf import settings

register = template.Library()


@register.simple_tag
def flower_url() -> str:
    """Return the URL of Flower, or "" if there is none."""
    return str(settings.FLOWER_URL)
