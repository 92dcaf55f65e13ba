"""The mailbox of a person: the address that notices may use, and how many emails it gets each day.

Nothing is mailed to a refused address, which its mail server refused for good, until its owner verifies it
again or changes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.module_loading import import_string

from processing import clock
from processing.conf import darkroom
from processing.errors import TransientError
from uploads.models import Preferences
from uploads.owners import owners

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class NoAddress(TransientError):
    """The person has no address that may be used now."""


class AddressRefused(Exception):
    """The mail server refused an address for good, so no other attempt is made."""

    def __init__(self, reply: str, *, address: str) -> None:
        super().__init__(reply)
        self.address = address


@dataclass(frozen=True, slots=True)
class RefusedAddress:
    """An address that its mail server refused for good, and the server's reply."""

    address: str
    reply: str


def address_of(person: User) -> str:
    """Return the address for a person's notices, or "" if it is not verified or is refused."""
    address = _address_of(person)
    return "" if address and refused_address(person) else address


def address_for(owner: User) -> str:
    """Return the address for an owner's notices, or "" if no user gets them, or the user has none."""
    person = owners().recipient(owner)
    return address_of(person) if person else ""


def refused_address(person: User) -> RefusedAddress | None:
    """Return a person's present address if it is refused, or None."""
    row = Preferences.objects.filter(owner=person).exclude(refused_address="").first()
    address = _address_of(person) if row else ""
    if row is None or row.refused_address != address.lower():
        return None
    return RefusedAddress(address, row.refused_reply)


def note_refusal(*, person: User, address: str, reply: str) -> bool:
    """Note that an address is refused; return False if it is noted, or is not the person's present one.

    Call this in a transaction.
    """
    row, _created = Preferences.objects.select_for_update().get_or_create(owner=person)
    if address.lower() in {row.refused_address, ""} or address.lower() != _address_of(person).lower():
        return False
    row.refused_address, row.refused_reply, row.refused_at = address.lower(), reply, clock.now()
    row.save(update_fields=["refused_address", "refused_reply", "refused_at"])
    return True


def use_again(person: User) -> None:
    """Mail a person again. Call this when the person has verified the address."""
    Preferences.objects.filter(owner=person).update(refused_address="", refused_reply="", refused_at=None)


def _address_of(person: User) -> str:
    path = darkroom().notice_address
    if not path:
        return person.email
    find: Callable[[User], str] = import_string(path)
    return find(person)


@transaction.atomic
def take_one(person: User) -> bool:
    """Count an email for today; return False, and count nothing, if `EMAILS_PER_DAY` is reached."""
    row, _created = Preferences.objects.select_for_update().get_or_create(owner=person)
    today = clock.now().date()
    sent = row.emails if row.emails_on == today else 0
    limit = darkroom().emails_per_day
    if limit and sent >= limit:
        return False
    row.emails_on, row.emails = today, sent + 1
    row.save(update_fields=["emails_on", "emails"])
    return True
