"""Template tags of this site's own pages."""

from django import template
from django.conf import settings

register = template.Library()


@register.simple_tag
def flower_url() -> str:
    """Return where Flower is reached, or nothing where it is not."""
    return str(settings.FLOWER_URL)
