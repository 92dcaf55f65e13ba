"""The admin of this site: its sign-in and its title."""

from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _


def sign_in(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Send visitors to the site's sign-in page, which limits attempts; answer 404 to non-staff."""
    if request.user.is_authenticated and not request.user.is_staff:
        raise Http404
    answer: HttpResponse = _to_sign_in(request)
    return answer


_to_sign_in = secure_admin_login(admin.site.login)
admin.site.login = sign_in  # type: ignore[method-assign]
admin.site.site_header = "Darkroom"
admin.site.site_title = "Darkroom"
admin.site.index_title = _("Images and people")
