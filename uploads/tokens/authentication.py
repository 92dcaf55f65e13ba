"""Sign programs in by the header `Authorization: Token <key>`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed

from uploads.models import Token
from uploads.tokens import issuing

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class TokenAuthentication(authentication.TokenAuthentication):
    """Authenticate a request by its token. `request.auth` is the token, which the module `scopes` reads."""

    def authenticate_credentials(self, key: str) -> tuple[User, Token]:
        """Return the owner and the token of a key; raise `AuthenticationFailed` with a stable code."""
        token = issuing.find(key)
        if token is None:
            raise AuthenticationFailed(_("This token does not exist. Create one on your account page."))
        if token.revoked_at:
            raise AuthenticationFailed(
                _("This token was revoked. Create another one on your account page."), code="token_revoked"
            )
        if token.is_expired:
            raise AuthenticationFailed(
                _("This token has expired. Create another one on your account page."), code="token_expired"
            )
        if not token.owner.is_active:
            raise AuthenticationFailed(_("The account of this token is disabled."))
        issuing.note_use(token)
        return token.owner, token
