"""What people have chosen: how much mail they want, and in which language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from uploads.models import Preferences

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def email_choice(person: User) -> str:
    """Return which mail a person wants: one of `Preferences.Email`, a digest where nothing was chosen."""
    chosen = Preferences.objects.filter(owner=person).values_list("email", flat=True).first()
    return chosen or Preferences.Email.DIGEST


def choose_email(*, person: User, choice: str) -> None:
    """Note which mail a person wants from now on; mail that is on its way still comes."""
    Preferences.objects.update_or_create(owner=person, defaults={"email": choice})


def language_of(person: User) -> str:
    """Return the language in which workers write to a person: the chosen one, while there is it."""
    chosen = Preferences.objects.filter(owner=person).values_list("language", flat=True).first()
    return chosen if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


def choose_language(*, person: User, language: str) -> None:
    """Note in which language a person reads from now on; notices that are written stay as they are."""
    Preferences.objects.update_or_create(owner=person, defaults={"language": language})
