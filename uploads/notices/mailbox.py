"""The mailbox of a person: the address that notices may use, and how many emails it gets each day."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.module_loading import import_string

from processing import clock
from processing.conf import darkroom
from processing.errors import TransientError
from uploads.models import Preferences

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class NoAddress(TransientError):
    """The person has no address that may be used now."""


def address_of(person: User) -> str:
    """Return the address for a person's notices, or "" if none may be used."""
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
