"""Accounts: Darkroom's additions to django-allauth, and the one-click sign-in link."""

from http import HTTPStatus
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.signals import user_signed_up
from allauth.core import context as current
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.sites.shortcuts import get_current_site
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from sesame.views import LoginView

from myproject import mail
from uploads.notices import preferences

# Seconds over which allauth counts attempts for each address or person, and failed sign-ins for each login.
_ATTEMPTS_SECONDS, _FAILURES_SECONDS = 60, 300


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """Send allauth's mail in the background, and answer 429 to too many attempts."""

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Render a message now, and send it in the background."""
        site = {"site_url": settings.SITE_URL, "current_site": get_current_site(current.request)}
        message = self.render_mail(template_prefix, email, {"email": email, **site, **context})
        mail.send_in_background(
            subject=message.subject,
            body=message.body,
            html_body=_html_body(message),
            to=message.to,
        )

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Answer 429 instead of allauth's form, so that programs recognise the rate limit too."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            raise ImmediateHttpResponse(too_many_attempts(request, seconds=_FAILURES_SECONDS)) from None

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the URL for the reset mail, built from `SITE_URL` and not from the request's Host header."""
        uidb36, _separator, token = key.partition("-")
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": uidb36, "key": token})
        return f"{settings.SITE_URL}{path}"


class SignInLinkView(LoginView):  # type: ignore[misc]  # django-sesame is untyped
    """Sign a person in with the token of a link."""

    def login_failed(self) -> HttpResponseRedirect:
        """Redirect a person with an expired link to the sign-in page, with an explanation."""
        messages.error(
            self.request, _("This sign-in link is no longer valid. Sign in below, or ask for a new link.")
        )
        return redirect("account_login")


# allauth imports this module for the adapter, so the receiver is connected before any sign-up.
@receiver(user_signed_up)
def send_welcome(request: HttpRequest, user: User, **_kwargs: object) -> None:
    """Send a welcome mail in the background, and save the language of the sign-up."""
    preferences.choose_language(person=user, language=get_language() or "")
    if user.email:
        AccountAdapter(request).send_mail("account/email/welcome", user.email, {"user": user})


def too_many_attempts(request: HttpRequest, *, seconds: int = _ATTEMPTS_SECONDS) -> HttpResponse:
    """Return the page for too many attempts, with the counting period in `Retry-After`."""
    page = render(request, "429.html", status=HTTPStatus.TOO_MANY_REQUESTS)
    page.headers["Retry-After"] = str(seconds)
    return page


def _html_body(message: EmailMultiAlternatives) -> str:
    alternatives = getattr(message, "alternatives", [])
    return next((content for content, kind in alternatives if kind == "text/html"), "")
