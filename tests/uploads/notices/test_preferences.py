"""The preferences of people."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from uploads.models import Preferences
from uploads.notices import preferences

pytestmark = pytest.mark.django_db


def test_a_digest_unless_something_else_is_chosen(owner: User) -> None:
    assert preferences.email_choice(owner) == "digest"


def test_the_last_choice_counts_and_is_ones_own(owner: User, stranger: User) -> None:
    preferences.choose_email(person=owner, choice="each")
    preferences.choose_email(person=owner, choice="none")
    assert preferences.email_choice(owner) == "none"
    assert preferences.email_choice(stranger) == "digest"
    assert str(Preferences.objects.get()) == f"preferences of {owner.pk}"


def test_the_choice_over_the_api(owner: User, client_of: Callable[[User], APIClient]) -> None:
    api = client_of(owner)
    assert api.get("/api/settings/").json() == {"email": "digest"}
    response = api.patch("/api/settings/", {"email": "none"}, format="json")
    assert (response.status_code, response.json()) == (200, {"email": "none"})
    assert api.patch("/api/settings/", {}, format="json").json() == {"email": "none"}
    assert api.get("/api/settings/").json() == {"email": "none"}


def test_no_other_choice_is_taken(owner: User, client_of: Callable[[User], APIClient]) -> None:
    response = client_of(owner).patch("/api/settings/", {"email": "hourly"}, format="json")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert preferences.email_choice(owner) == "digest"


def test_whoever_is_not_signed_in_chooses_nothing() -> None:
    assert APIClient().get("/api/settings/").status_code == 401
    assert APIClient().patch("/api/settings/", {"email": "none"}, format="json").status_code == 401


def test_english_unless_another_language_is_chosen(owner: User, stranger: User) -> None:
    preferences.choose_language(person=owner, language="de")
    assert (preferences.language_of(owner), preferences.language_of(stranger)) == ("de", "en")


def test_one_choice_leaves_the_other(owner: User) -> None:
    preferences.choose_language(person=owner, language="de")
    preferences.choose_email(person=owner, choice="each")
    preferences.choose_language(person=owner, language="de")
    assert (preferences.language_of(owner), preferences.email_choice(owner)) == ("de", "each")


def test_a_language_that_is_no_more_is_not_written_in(owner: User) -> None:
    preferences.choose_language(person=owner, language="la")
    assert preferences.language_of(owner) == "en"
