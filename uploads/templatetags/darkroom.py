"""Template tags of the pages."""

from django import template
from django.conf import settings

from processing.models import Rendition
from uploads import links

register = template.Library()

_FORMAT_NAMES = {"webp": "WebP"}


@register.simple_tag
def flower_url() -> str:
    """Return where Flower is reached, or nothing where it is not."""
    return str(settings.FLOWER_URL)


@register.simple_tag
def rendition_path(rendition: Rendition) -> str:
    """Return a rendition's permanent address."""
    return links.rendition_path(rendition)


@register.filter
def format_name(format: str) -> str:
    """Return a format's name as people write it."""
    return _FORMAT_NAMES.get(format, format.upper())
