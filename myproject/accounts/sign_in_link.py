"""The demo's sign-in link; the site has it only while the setting `DEMO` is on."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from sesame.backends import ModelBackend
from sesame.tokens import parse_token
from sesame.views import LoginView


class OneTimeBackend(ModelBackend):  # type: ignore[misc]  # django-sesame is untyped
    """Accept the token of a link once, even if two requests bring it at the same time."""

    def authenticate(
        self, request: HttpRequest | None, sesame: str, scope: str = "", max_age: Any = None
    ) -> User | None:
        """Return the person of a valid token, whose row stays locked until the sign-in is saved.

        A sign-in changes `last_login`, and thereby invalidates the person's other sign-in links.
        """
        person: User | None = parse_token(sesame, self._lock, scope, max_age)
        return person

    def _lock(self, user_id: int) -> User | None:
        User.objects.select_for_update().filter(pk=user_id).exists()
        person: User | None = self.get_user(user_id)
        return person


class SignInLinkView(LoginView):  # type: ignore[misc]  # django-sesame is untyped
    """Sign a person in with the token of a link."""

    @method_decorator(transaction.atomic)
    def get(self, request: HttpRequest) -> HttpResponse:
        """Sign the person in, and redirect to the images."""
        answer: HttpResponse = super().get(request)
        return answer

    def login_failed(self) -> HttpResponseRedirect:
        """Redirect a person with a used or expired link to the sign-in page, with an explanation."""
        messages.error(
            self.request,
            _("This sign-in link no longer works. Sign in below, or run demo_link for a new link."),
        )
        return redirect("account_login")
