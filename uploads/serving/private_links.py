"""Private links show a private upload to visitors until they expire or end."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from http import HTTPStatus

from django.db import transaction
from django.db.models import QuerySet

from processing import clock
from processing.conf import darkroom
from processing.errors import Refusal
from uploads.models import PrivateLink, Upload

# The maximum number of valid links to one upload.
LIMIT = 100
# Random bytes in a link's token: the secret in its URL, 43 characters long.
_TOKEN_BYTES = 32


class NotPrivate(Refusal):
    """The upload is not private, so it needs no link."""

    code = "not_private"
    title = "The image is not private"
    status = HTTPStatus.CONFLICT


class TooManyLinks(Refusal):
    """The upload already has the maximum number of links."""

    code = "too_many_links"
    title = "There are too many private links"
    status = HTTPStatus.CONFLICT


class InvalidExpiry(Refusal):
    """The expiry is in the past or too late."""

    code = "invalid"
    title = "The expiry is not valid"
    status = HTTPStatus.BAD_REQUEST


@dataclass(frozen=True, slots=True)
class NewLink:
    """A new link with its token, which is stored nowhere."""

    link: PrivateLink
    token: str


def links_of(upload: Upload) -> QuerySet[PrivateLink]:
    """Return the valid links to an upload, newest first."""
    return upload.links.filter(expires_at__gt=clock.now())


def default_expiry() -> datetime:
    """Return the expiry of a link made now, if none is chosen."""
    return clock.now() + timedelta(seconds=darkroom().private_link_age)


def check_expiry(expires_at: datetime) -> None:
    """Raise `InvalidExpiry` for an expiry that is in the past or later than the settings allow."""
    now, seconds = clock.now(), darkroom().private_link_max_age
    if not now < expires_at <= now + timedelta(seconds=seconds):
        raise InvalidExpiry(
            "Choose a time in the future, at most {seconds} seconds from now.", seconds=seconds
        )


@transaction.atomic
def make(*, upload: Upload, preset: str = "", expires_at: datetime | None = None) -> NewLink:
    """Make a link to a private upload, for one preset or for all.

    Raises `NotPrivate`, `TooManyLinks` or `InvalidExpiry`.
    """
    expires_at = expires_at or default_expiry()
    check_expiry(expires_at)
    # Deletion and a change of visibility take the same lock and end all links, so none is made meanwhile. The
    # lock also keeps concurrent requests within the limit.
    private = Upload.objects.live().filter(pk=upload.pk, visibility=Upload.Visibility.PRIVATE)
    if not private.select_for_update(no_key=True).exists():
        raise NotPrivate("Anyone with the URL of this image can see it. Make it private first.")
    if links_of(upload).count() >= LIMIT:
        raise TooManyLinks(
            "This image has reached the limit of {limit} private links. Revoke one first.", limit=LIMIT
        )
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    fields = {"preset": preset, "digest": _digest(token), "expires_at": expires_at}
    return NewLink(PrivateLink.objects.create(upload=upload, **fields), token)


def opens(*, upload: Upload, preset: str, token: str) -> bool:
    """Return whether a token belongs to a valid link to this upload and preset."""
    if not token:
        return False
    return links_of(upload).filter(digest=_digest(token), preset__in=("", preset)).exists()


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
