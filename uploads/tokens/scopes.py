"""Scopes: the requests that a token may make.

| scope | may |
|---|---|
| `read` | read everything except the secrets of webhooks |
| `upload` | send images, and read the uploads that it has sent |
| `all` | do everything that its owner may do over the API |

`uploads.api.authentication` enforces this for all views of the API. Sessions have no scope: they may do
everything.
"""

from http import HTTPStatus

from processing.errors import Refusal
from uploads.models import Token, Upload, UploadQuerySet

READ, UPLOAD, ALL = Token.Scope.READ, Token.Scope.UPLOAD, Token.Scope.ALL


class ScopeMissing(Refusal):
    """The token may not make this request."""

    code = "scope_missing"
    title = "The token lacks a scope"
    status = HTTPStatus.FORBIDDEN


def require(auth: object, *scopes: Token.Scope) -> None:
    """Raise `ScopeMissing` if a request is signed in by a token with none of these scopes.

    `auth` is the token, or None for a session. The first of `scopes` is the one that the refusal names.
    """
    if isinstance(auth, Token) and auth.scope not in scopes:
        raise ScopeMissing(
            "This request needs a token with the scope {needed}. Yours has the scope {scope}.",
            needed=str(scopes[0].value),
            scope=auth.scope,
        )


def require_upload(auth: object) -> None:
    """Raise `ScopeMissing` if the sender's token may not send images."""
    require(auth, UPLOAD, ALL)


def readable(uploads: UploadQuerySet, auth: object) -> UploadQuerySet:
    """Return those of a person's uploads that a request may read: for `upload`, those its token has sent."""
    if isinstance(auth, Token) and auth.scope == UPLOAD:
        return uploads.filter(sending_tokens=auth)
    return uploads


def covers(upload: Upload, auth: object) -> bool:
    """Return whether a request may read an upload of its owner; see `readable`."""
    return not isinstance(auth, Token) or readable(Upload.objects.filter(pk=upload.pk), auth).exists()


def shows_secrets(auth: object) -> bool:
    """Return whether a request may read webhook secrets, with which anyone can forge webhooks."""
    return not isinstance(auth, Token) or auth.scope == ALL
