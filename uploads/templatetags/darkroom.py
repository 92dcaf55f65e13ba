"""Template tags: of the pages, and `picture` for the pages of anybody who builds on Darkroom."""

from typing import Any

from django import template

from uploads.events import history
from uploads.notices import inbox
from uploads.serving.picture_tag import own_picture, picture

register = template.Library()

_FORMAT_NAMES = {"webp": "WebP"}


@register.simple_tag(takes_context=True)
def last_event(context: dict[str, Any]) -> int:
    """Return the event after which a page follows its reader's: that from before it was drawn."""
    known: int | None = context.get("last_event")
    return history.newest(owner_id=context["user"].pk) if known is None else known


@register.simple_tag
def event_names() -> str:
    """Return the names of all events, with spaces between them."""
    return " ".join(history.NAMES)


@register.simple_tag(takes_context=True)
def unread_count(context: dict[str, Any]) -> int:
    """Return how many notices the reader has not read."""
    return inbox.unread_count(context["user"])


register.inclusion_tag("uploads/picture.html")(picture)
register.inclusion_tag("uploads/picture.html")(own_picture)


@register.filter
def format_name(format: str) -> str:
    """Return a format's name as people write it."""
    return _FORMAT_NAMES.get(format, format.upper())
