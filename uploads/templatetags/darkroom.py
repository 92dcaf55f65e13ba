"""Template tags for Darkroom's pages, and `picture` for the pages of other projects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import template
from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma, naturaltime
from django.middleware.locale import LocaleMiddleware
from django.utils.module_loading import import_string

from uploads.events import history
from uploads.notices import inbox
from uploads.owners import Owner, owner_of
from uploads.serving.picture_tag import own_picture, picture

register = template.Library()

# The app `django.contrib.humanize` need not be installed.
register.filter(intcomma)
register.filter(naturaltime)

_FORMAT_NAMES = {"webp": "WebP"}
# The language of the code, and those of the catalogues.
_LANGUAGES = {"en", *(path.name for path in (Path(__file__).parent.parent / "locale").iterdir())}


@register.simple_tag(takes_context=True)
def acting_owner(context: dict[str, Any]) -> Owner | None:
    """Return the owner for whom the reader acts; None without one, and on a page without a request."""
    request: Any = context.get("request")
    # Django's pages for errors may be drawn before the middleware that finds the user.
    return owner_of(request) if hasattr(request, "user") else None


@register.simple_tag(takes_context=True)
def last_event(context: dict[str, Any]) -> int:
    """Return the id of the newest event before the page was drawn. The page follows later events."""
    known: int | None = context.get("last_event")
    return history.newest(owner_id=context["owner"].pk) if known is None else known


@register.simple_tag
def event_names() -> str:
    """Return the names of all events, separated by spaces."""
    return " ".join(history.NAMES)


@register.simple_tag
def offered_languages() -> list[tuple[str, str]]:
    """Return the project's languages that Darkroom has texts in, or none if a choice would change nothing."""
    classes = [import_string(path) for path in settings.MIDDLEWARE]
    if not any(isinstance(one, type) and issubclass(one, LocaleMiddleware) for one in classes):
        return []
    return [(code, name) for code, name in settings.LANGUAGES if code in _LANGUAGES]


@register.simple_tag(takes_context=True)
def unread_count(context: dict[str, Any]) -> int:
    """Return the number of the unread notices of the reader's owner."""
    owner = acting_owner(context)
    return inbox.unread_count(owner) if owner else 0


register.inclusion_tag("uploads/picture.html")(picture)
register.inclusion_tag("uploads/picture.html")(own_picture)


@register.filter
def format_name(format: str) -> str:
    """Return the display name of a format."""
    return _FORMAT_NAMES.get(format, format.upper())
