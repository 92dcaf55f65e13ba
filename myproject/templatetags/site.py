"""Template tags for this site's pages."""

from django import template
from django.conf import settings
from django.contrib.auth.models import User

from uploads.notices import mailbox
from uploads.notices.mailbox import Mark

register = template.Library()


@register.simple_tag
def flower_url() -> str:
    """Return the URL of Flower, or "" if there is none."""
    return str(settings.FLOWER_URL)


@register.simple_tag
def mark_of(person: User) -> Mark | None:
    """Return the mark of an address that its mail server refused for good, or None."""
    return mailbox.mark_of(person)
