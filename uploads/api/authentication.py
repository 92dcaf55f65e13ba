"""Django REST framework's part of signing in: tokens, and their scopes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from processing.refusals import sentence
from uploads.models import Token
from uploads.tokens.authentication import INVALID, KEYWORD, token_of
from uploads.tokens.scopes import ALL, READ, UPLOAD, require

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class TokenAuthentication(authentication.TokenAuthentication):
    """Authenticate a request by its token. `request.auth` is the token, which the module `scopes` reads."""

    keyword = KEYWORD

    def authenticate_credentials(self, key: str) -> tuple[User, Token]:
        """Return the owner and the token of a key; raise `AuthenticationFailed` with a stable code."""
        try:
            token = token_of(key)
        except INVALID as refusal:
            raise AuthenticationFailed(sentence(refusal), code=refusal.code) from refusal
        return token.owner, token


class InScope(BasePermission):
    """Refuse a request that the scope of its token does not cover.

    `read` covers all safe methods, and `all` covers everything. A view lists the actions that `upload` covers
    in `upload_scope_actions`.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raise `ScopeMissing`, or return True."""
        covered = getattr(view, "action", None) in getattr(view, "upload_scope_actions", ())
        reads = request.method in SAFE_METHODS
        scopes = [scope for scope, enough in ((READ, reads), (UPLOAD, covered)) if enough]
        require(request.auth, *scopes, ALL)
        return True
