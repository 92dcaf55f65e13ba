"""The content security policy: what a page of the site may load and do.

Remove this after the upgrade to Django 6.0, which has the same middleware with the same setting.
"""

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin


def add_policy(response: HttpResponseBase) -> None:
    """Set the header, unless the response has a policy of its own."""
    policy = "; ".join(f"{name} {' '.join(sources)}" for name, sources in settings.SECURE_CSP.items())
    response.headers.setdefault("Content-Security-Policy", policy)


class ContentSecurityPolicyMiddleware(MiddlewareMixin):
    """Add the policy of `SECURE_CSP` to every response without a policy."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Add the policy."""
        add_policy(response)
        return response
