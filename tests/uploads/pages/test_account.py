"""The account page."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.pages import in_one_line, told
from uploads.notices import preferences

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def test_email_choice_is_saved_on_the_account_page(signed_in: Client, person: User) -> None:
    assert 'value="digest" checked>' in in_one_line(signed_in.get("/account/"))
    answer = signed_in.post("/account/email", {"email": "none"})
    assert (answer["Location"], told(answer)) == ("/account/", ["Saved."])
    assert 'value="none" checked>' in in_one_line(signed_in.get("/account/"))


def test_unknown_email_choice_changes_nothing(signed_in: Client, person: User) -> None:
    signed_in.post("/account/email", {"email": "hourly"})
    assert preferences.email_choice(person) == "digest"
