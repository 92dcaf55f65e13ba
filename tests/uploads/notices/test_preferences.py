"""The preferences of people."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from uploads.models import Preferences
from uploads.notices import preferences

pytestmark = pytest.mark.django_db


def test_email_choice_is_digest_by_default(owner: User) -> None:
    assert preferences.email_choice(owner) == "digest"


def test_last_email_choice_applies_to_its_owner_only(owner: User, stranger: User) -> None:
    preferences.choose_email(person=owner, choice="each")
    preferences.choose_email(person=owner, choice="none")
    assert preferences.email_choice(owner) == "none"
    assert preferences.email_choice(stranger) == "digest"
    assert str(Preferences.objects.get()) == f"preferences of {owner.pk}"


def test_email_choice_is_changed_by_the_api(owner: User, client_of: Callable[[User], APIClient]) -> None:
    api = client_of(owner)
    assert api.get("/api/settings/").json() == {"email": "digest"}
    response = api.patch("/api/settings/", {"email": "none"}, format="json")
    assert (response.status_code, response.json()) == (200, {"email": "none"})
    assert api.patch("/api/settings/", {}, format="json").json() == {"email": "none"}
    assert api.get("/api/settings/").json() == {"email": "none"}


def test_unknown_email_choice_is_refused(owner: User, client_of: Callable[[User], APIClient]) -> None:
    response = client_of(owner).patch("/api/settings/", {"email": "hourly"}, format="json")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert preferences.email_choice(owner) == "digest"


def test_visitor_is_refused() -> None:
    assert APIClient().get("/api/settings/").status_code == 401
    assert APIClient().patch("/api/settings/", {"email": "none"}, format="json").status_code == 401


def test_language_is_english_by_default(owner: User, stranger: User) -> None:
    preferences.choose_language(person=owner, language="de")
    assert (preferences.language_of(owner), preferences.language_of(stranger)) == ("de", "en")


def test_choices_are_independent(owner: User) -> None:
    preferences.choose_language(person=owner, language="de")
    preferences.choose_email(person=owner, choice="each")
    preferences.choose_language(person=owner, language="de")
    assert (preferences.language_of(owner), preferences.email_choice(owner)) == ("de", "each")


def test_removed_language_falls_back_to_english(owner: User) -> None:
    preferences.choose_language(person=owner, language="la")
    assert preferences.language_of(owner) == "en"
