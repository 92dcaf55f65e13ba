"""Template tags for this site's pages."""

from django import template
from django.conf import settings
from django.contrib.auth.models import User
from django.urls import get_script_prefix

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


@register.simple_tag
def site_root() -> str:
    """Return the path of the site: "/", or its sub-path with a slash at the end."""
    return get_script_prefix()
