"""URLs of the site for mail and commands."""

from django.conf import settings
from django.urls import get_script_prefix, reverse


def public_url(view: str, **arguments: str) -> str:
    """Return the URL of a view from `SITE_URL`, as mail needs it: a Host header may be forged."""
    path = reverse(view, kwargs=arguments)
    # The web process knows the sub-path from its request, and workers do not. `SITE_URL` has it.
    return f"{settings.SITE_URL}/{path.removeprefix(get_script_prefix())}"
