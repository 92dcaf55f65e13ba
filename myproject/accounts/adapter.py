"""The adapter: Darkroom's additions to django-allauth."""

from http import HTTPStatus
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed, password_reset, user_signed_up
from allauth.account.utils import filter_users_by_email
from allauth.core import context as current
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal import ratelimit
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.contrib.sites.shortcuts import get_current_site
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language

from myproject import mail
from myproject.accounts import sign_in_limits
from myproject.sub_path.urls import public_url
from uploads.notices import mailbox, preferences

# The periods of rate limits in seconds: of the general ones, of `login_failed`, and of
# `login_failed_elsewhere`, as in `ACCOUNT_RATE_LIMITS`. `sign_in_limits` explains the last two.
_ATTEMPTS_SECONDS, _FAILURES_SECONDS, _ELSEWHERE_SECONDS = 60, 300, 3600
# The messages whose links show that their reader owns the address.
_VERIFYING = (
    "account/email/email_confirmation",
    "account/email/email_confirmation_signup",
    "account/email/password_reset_key",
)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """Send allauth's mail in the background, and answer 429 to too many attempts."""

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Render a message now, and send it in the background.

        A refused address gets only messages whose link verifies it again.
        """
        refused = any(mailbox.refused_address(person) for person in filter_users_by_email(email))
        if refused and template_prefix not in _VERIFYING:
            return
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
        if not sign_in_limits.is_known(request, credentials):
            self._count_elsewhere(request, credentials)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """Return the person with these credentials, or None if they are wrong or the person is suspended.

        allauth would accept the password of a suspended person, and then say that the account is inactive.
        """
        self.pre_authenticate(request, **credentials)
        person = authenticate(request, **credentials)
        AuthenticationBackend.unstash_authenticated_user()
        if person is None:
            self.authentication_failed(request, **credentials)
        else:
            self._rollback_login_failed_rl_usage()
        return person

    def _count_elsewhere(self, request: HttpRequest, credentials: dict[str, Any]) -> None:
        """Count the attempt against all unknown networks together; allauth takes it back if it succeeds."""
        login = super()._get_login_attempts_cache_key(request, **credentials)
        counted = ratelimit.consume(
            request, app="allauth.account", action="login_failed_elsewhere", key=login
        )
        if counted is None:
            raise ImmediateHttpResponse(too_many_attempts(request, seconds=_ELSEWHERE_SECONDS))
        self._login_failed_rl_usage.usage.extend(counted.usage)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Return allauth's key of a login with the network, so that each network has its own count."""
        login = super()._get_login_attempts_cache_key(request, **credentials)
        return f"{login}:{sign_in_limits.network_of(request)}"

    def set_password(self, user: User, password: str) -> None:
        """Save a new password and end all earlier access (`NewPassword`), or do neither."""
        with transaction.atomic():
            super().set_password(user, password)

    def get_login_stages(self) -> list[str]:
        """Return allauth's stages of a sign-in, with our stage for the verification of the address."""
        ours = {
            "allauth.account.stages.EmailVerificationStage": "myproject.accounts.addresses.VerificationStage"
        }
        return [ours.get(stage, stage) for stage in super().get_login_stages()]

    def send_account_already_exists_mail(self, email: str) -> None:
        """Tell the owner of an address that a sign-up has named it.

        A password is hashed as for a new account, so the response time does not reveal that it is known.
        """
        make_password(email)
        context = {
            "password_reset_url": public_url("account_reset_password"),
            "signup_url": public_url("account_signup"),
        }
        self.send_mail("account/email/account_already_exists", email, context)

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        """Return the URL for the verification mail, built from `SITE_URL` and not from the Host header."""
        again = emailconfirmation.email_address.verified
        name = "verify_again" if again else "account_confirm_email"
        return public_url(name, key=emailconfirmation.key)

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the URL for the reset mail, built from `SITE_URL` and not from the request's Host header."""
        uidb36, _separator, token = key.partition("-")
        return public_url("account_reset_password_from_key", uidb36=uidb36, key=token)


# allauth imports this module for the adapter, so the receivers are connected before any sign-up.
@receiver(user_signed_up)
def begin_account(request: HttpRequest, user: User, **_kwargs: object) -> None:
    """Save the language of the sign-up; welcome the person if no verification of the address follows."""
    preferences.choose_language(person=user, language=get_language() or "")
    if not settings.EMAIL_URL:
        _send_welcome(request, user)


@receiver(email_confirmed)
def welcome_after_verification(request: HttpRequest, email_address: EmailAddress, **_kwargs: object) -> None:
    """Welcome a person who has verified the address of the sign-up. Use a verified address again."""
    mailbox.use_again(email_address.user)
    if email_address.user.last_login is None:
        _send_welcome(request, email_address.user)


def _send_welcome(request: HttpRequest, person: User) -> None:
    if person.email:
        AccountAdapter(request).send_mail("account/email/welcome", person.email, {"user": person})


@receiver(user_logged_in)
def remember_network(request: HttpRequest, user: User, **_kwargs: object) -> None:
    """Remember the network of a sign-in, so that attacks from others do not lock the person out there."""
    sign_in_limits.remember_network(request, user)


@receiver(password_reset)
def open_network(request: HttpRequest, user: User, **_kwargs: object) -> None:
    """Remember the network of a reset: a person who reads the mail can sign in during an attack."""
    sign_in_limits.remember_network(request, user)


def too_many_attempts(request: HttpRequest, *, seconds: int = _ATTEMPTS_SECONDS) -> HttpResponse:
    """Return the page for too many attempts, with the counting period in `Retry-After`."""
    page = render(request, "429.html", status=HTTPStatus.TOO_MANY_REQUESTS)
    page.headers["Retry-After"] = str(seconds)
    return page


def _html_body(message: EmailMultiAlternatives) -> str:
    alternatives = getattr(message, "alternatives", [])
    return next((content for content, kind in alternatives if kind == "text/html"), "")
