"""The owner of a picture that a field receives."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError
from django.db.models import Model, QuerySet

from uploads.models import Preferences, Upload

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Forms of Django refuse a name with spaces, so no person has it.
SITE_NAME = "pictures of the site"


class NoOwner(Exception):
    """The picture of a row has no owner."""


def owner_of(row: Model, *, field: str, path: str, sender: User | None = None) -> User:
    """Return the owner of a new picture of a row.

    This is the attribute `path` of the row, such as `author` or `album.owner`. Without a path, it is the
    attribute `<field>_owner`, which a view may set, or else the `sender`, or the site itself. Raises
    `NoOwner`.
    """
    owner = known_owner(row, field=field, path=path)
    if owner is None and path:
        raise NoOwner(
            f"{type(row).__name__}.{field} receives a picture, but {path} is empty. Set it before you save."
        )
    return owner or sender or _site(row, field)


def known_owner(row: Model, *, field: str, path: str) -> User | None:
    """Return the owner that is set on the row, or None."""
    try:
        owner: User | None = attrgetter(path or f"{field}_owner")(row)
    except AttributeError:
        return None
    return owner


def _site(row: Model, field: str) -> User:
    """Return the user to whom pictures without another owner belong. It cannot sign in, and gets no mail."""
    people: Any = Upload._meta.get_field("owner").related_model
    try:
        rows: QuerySet[Any] = QuerySet(people)
        name = {people.USERNAME_FIELD: SITE_NAME}
        found = rows.get_or_create(**name, defaults={"password": make_password(None)})
    except (AttributeError, IntegrityError, TypeError, ValueError) as error:
        raise NoOwner(
            f"{type(row).__name__}.{field} has no owner, and {people.__name__} cannot have a row for the "
            f"site: {error} Pass owner='…' to the field, the name of the attribute that owns the picture."
        ) from error
    owner: User = found[0]
    if found[1]:
        Preferences.objects.get_or_create(owner=owner, defaults={"email": Preferences.Email.NONE})
    return owner
