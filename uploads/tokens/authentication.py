"""Sign programs in by the header `Authorization: Token <key>`."""

from http import HTTPStatus

from django.http import HttpRequest

from processing.errors import Refusal
from uploads.models import Token
from uploads.tokens import issuing

# The first word of the header.
KEYWORD = "Token"


class InvalidToken(Refusal):
    """The key belongs to no token, or to a disabled account."""

    code = "authentication_failed"
    title = "Unauthorized"
    status = HTTPStatus.UNAUTHORIZED


class TokenRevoked(Refusal):
    """The token was revoked."""

    code = "token_revoked"
    title = "Unauthorized"
    status = HTTPStatus.UNAUTHORIZED


class TokenExpired(Refusal):
    """The token has expired."""

    code = "token_expired"
    title = "Unauthorized"
    status = HTTPStatus.UNAUTHORIZED


# The refusals of a header that names no valid token.
INVALID = (InvalidToken, TokenRevoked, TokenExpired)


def sign_in(request: HttpRequest) -> Token | None:
    """Let the owner of the token in a request's header be its user, and return the token.

    Returns None if the header names none. Raises one of `INVALID`.
    """
    keyword, _space, key = request.headers.get("Authorization", "").strip().partition(" ")
    if keyword.lower() != KEYWORD.lower():
        return None
    token = token_of(key.strip())
    request.user = token.owner
    return token


def token_of(key: str) -> Token:
    """Return the valid token of a key, and record its use; raise one of `INVALID`."""
    token = issuing.find(key)
    if token is None:
        raise InvalidToken("This token does not exist. Create one on your account page.")
    if token.revoked_at:
        raise TokenRevoked("This token was revoked. Create another one on your account page.")
    if token.is_expired:
        raise TokenExpired("This token has expired. Create another one on your account page.")
    if not token.owner.is_active:
        raise InvalidToken("The account of this token is disabled.")
    issuing.note_use(token)
    return token
