"""A person's preferences: which emails they want, and their language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from uploads.models import Preferences
from uploads.owners import owners

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def email_choice(person: User) -> str:
    """Return a person's choice of `Preferences.Email`; the default is a digest."""
    chosen = Preferences.objects.filter(owner=person).values_list("email", flat=True).first()
    return chosen or Preferences.Email.DIGEST


def choose_email(*, person: User, choice: str) -> None:
    """Save which emails a person wants; those already scheduled are still sent."""
    Preferences.objects.update_or_create(owner=person, defaults={"email": choice})


def wants_reports(person: User) -> bool:
    """Return whether a member of staff gets reports; the default is yes."""
    return not Preferences.objects.filter(owner=person, reports=False).exists()


def choose_reports(*, person: User, wanted: bool) -> None:
    """Save whether a member of staff gets reports, from the next one on."""
    Preferences.objects.update_or_create(owner=person, defaults={"reports": wanted})


def language_of(person: User) -> str:
    """Return the person's language, or the default if none is chosen or it is no longer offered."""
    chosen = Preferences.objects.filter(owner=person).values_list("language", flat=True).first()
    return chosen if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


def language_for(owner: User) -> str:
    """Return the language of an owner's notices: the project's rule, or else the recipient's choice."""
    ruled, person = owners().language(owner), owners().recipient(owner)
    if ruled in dict(settings.LANGUAGES):
        return ruled
    return language_of(person) if person else settings.LANGUAGE_CODE


def choose_language(*, person: User, language: str) -> None:
    """Save a person's language; existing notices are not translated."""
    Preferences.objects.update_or_create(owner=person, defaults={"language": language})
