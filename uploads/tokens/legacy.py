"""The keys that Django REST framework stored in plain text.

The migration copies their digests. Old code still reads the plain keys during a rolling restart, so they are
erased an hour later. Only a site that sets `TAKE_OVER_TOKENS` has such keys: those of another project belong
to its own API. Remove this module, that setting, `Token.taken_over_at` and the site's app
`rest_framework.authtoken` in the next release.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.apps import apps
from django.db import transaction
from django.db.models import QuerySet

from processing import clock
from processing.conf import darkroom
from uploads.models import Token
from uploads.tokens.keys import digest_of, prefix_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# The name of a token that was taken over. The migration uses the same.
NAME = "API token"
# Old code may run this long after the migration, or after it created a key.
_OLD_CODE_TIME = timedelta(hours=1)


def takes_over() -> bool:
    """Return whether the tokens of Django REST framework are those of an older version of this site."""
    return darkroom().take_over_tokens and apps.is_installed("rest_framework.authtoken")


def take_over(key: str) -> Token | None:
    """Return the token of a key that old code created after the migration, or None without such a key."""
    # PostgreSQL refuses a NUL in a query.
    plain = _plain_tokens().filter(key=key).first() if takes_over() and key.isprintable() else None
    return _take_over(plain) if plain else None


def forget(person: User, *, digest: str = "") -> None:
    """Delete a person's plain key, so that old code refuses it too; with `digest`, only that key."""
    if not takes_over():
        return
    for plain in _plain_tokens().filter(user=person):
        if not digest or digest_of(plain.key) == digest:
            plain.delete()


def erase_plain_keys() -> None:
    """Erase the plain keys that were taken over an hour ago.

    Revoke the token of a key that old code has deleted or replaced meanwhile.
    """
    if not takes_over():
        return
    for plain in _plain_tokens().iterator():
        _take_over(plain)
    old = Token.objects.filter(taken_over_at__lt=clock.now() - _OLD_CODE_TIME)
    for pk in list(old.values_list("pk", flat=True)):
        _erase(pk)


@transaction.atomic
def _erase(pk: UUID) -> None:
    token = Token.objects.select_for_update().get(pk=pk)
    plain = _plain_tokens().filter(user=token.owner_id).first()
    if plain and digest_of(plain.key) == token.digest:
        plain.delete()
    elif token.revoked_at is None:
        token.revoked_at = clock.now()
    token.taken_over_at = None
    token.save(update_fields=["taken_over_at", "revoked_at"])


def _plain_tokens() -> QuerySet[Any]:
    return QuerySet(apps.get_model("authtoken", "Token"))


def _take_over(plain: Any) -> Token:
    token, _created = Token.objects.select_related("owner").get_or_create(
        digest=digest_of(plain.key),
        defaults={
            "owner": plain.user,
            "name": NAME,
            "scope": Token.Scope.ALL,
            "prefix": prefix_of(plain.key),
            "created_at": plain.created,
            "taken_over_at": clock.now(),
        },
    )
    return token
