"""Template tags for this site's pages."""

from django import template
from django.conf import settings
from django.contrib.auth.models import User

from uploads.notices import mailbox
from uploads.notices.mailbox import RefusedAddress

register = template.Library()


@register.simple_tag
def flower_url() -> str:
    """Return the URL of Flower, or "" if there is none."""
    return str(settings.FLOWER_URL)


@register.simple_tag
def refused_address(person: User) -> RefusedAddress | None:
    """Return a person's present address if its mail server refused it for good, or None."""
    return mailbox.refused_address(person)
