"""Issue, find and revoke the tokens of a person."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q, QuerySet

from processing import clock
from processing.database.availability import DATABASE_UNAVAILABLE
from processing.errors import Refusal
from uploads.models import Token, Upload
from uploads.tokens import legacy
from uploads.tokens.keys import digest_of, new_key, prefix_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# The maximum number of tokens for each person.
LIMIT = 50
# The number of revoked tokens that are kept for each person, so that programs learn why they are refused.
_REVOKED_KEPT = 50
# The use of a token is recorded at most this often.
_USE_RECORDED_EVERY = timedelta(minutes=1)


class TooManyTokens(Refusal):
    """The person already has the maximum number of tokens."""

    code = "too_many_tokens"
    title = "There are too many tokens"
    status = HTTPStatus.CONFLICT


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token with its key, which is not stored and cannot be shown again."""

    token: Token
    key: str


def tokens_of(person: User) -> QuerySet[Token]:
    """Return a person's tokens that are not revoked, newest first."""
    return Token.objects.filter(owner=person, revoked_at=None)


@transaction.atomic
def add(*, owner: User, name: str, scope: str, expires_at: datetime | None = None) -> Issued:
    """Issue a token that a person asked for; raise `TooManyTokens` at the limit."""
    get_user_model().objects.select_for_update(no_key=True).get(pk=owner.pk)
    if tokens_of(owner).count() >= LIMIT:
        raise TooManyTokens("You have reached the limit of {limit} tokens. Revoke one first.", limit=LIMIT)
    return issue(owner=owner, name=name, scope=scope, expires_at=expires_at)


def issue(*, owner: User, name: str, scope: str, expires_at: datetime | None = None) -> Issued:
    """Issue a token, however many the person has."""
    key = new_key()
    token = Token.objects.create(
        owner=owner,
        name=name,
        scope=scope,
        expires_at=expires_at,
        digest=digest_of(key),
        prefix=prefix_of(key),
    )
    _drop_old(owner)
    return Issued(token, key)


def find(key: str) -> Token | None:
    """Return the token of a key, also if it is revoked or expired; None if there is none."""
    token = Token.objects.select_related("owner").filter(digest=digest_of(key)).first()
    return token or legacy.take_over(key)


def is_live(token_id: UUID) -> bool:
    """Return whether a token still signs its owner in."""
    lasting = Q(expires_at=None) | Q(expires_at__gt=clock.now())
    return Token.objects.filter(lasting, pk=token_id, revoked_at=None, owner__is_active=True).exists()


def note_use(token: Token) -> None:
    """Record that a token was used, at most once a minute."""
    now = clock.now()
    if token.last_used_at is None or token.last_used_at <= now - _USE_RECORDED_EVERY:
        # Programs may still read from a database that refuses writes.
        with suppress(*DATABASE_UNAVAILABLE):
            Token.objects.filter(pk=token.pk).update(last_used_at=now)


def note_sent(token: Token, upload: Upload) -> None:
    """Record that a token with the scope `upload` has sent an upload, so that it may read it."""
    if token.scope == Token.Scope.UPLOAD:
        token.sent.add(upload)


def revoke(token: Token) -> None:
    """Revoke a token: its key stops working at once."""
    with transaction.atomic():
        Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=clock.now())
        legacy.forget(token.owner, digest=token.digest)


def revoke_tokens(person: User) -> int:
    """Revoke all tokens of a person, and return their number.

    Call this when an attacker may have made one, for example when a password is changed or reset.
    """
    with transaction.atomic():
        legacy.forget(person)
        return tokens_of(person).update(revoked_at=clock.now())


def _drop_old(owner: User) -> None:
    """Delete the oldest revoked tokens, so that their number is bounded."""
    revoked = Token.objects.filter(owner=owner, revoked_at__isnull=False).order_by("-revoked_at", "-pk")
    kept = list(revoked.values_list("pk", flat=True)[:_REVOKED_KEPT])
    revoked.exclude(pk__in=kept).delete()
