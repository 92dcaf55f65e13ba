"""Accounts: signing up, in and out, password reset by mail and sign-in links."""

import re
from typing import Any, NoReturn

import pytest
from celery import Task
from django.contrib.auth.models import User
from django.core import mail as django_mail
from django.test import Client
from kombu.exceptions import OperationalError

from uploads.notices import preferences

PASSWORD = "correct-horse-battery"
SIGN_UP = {"username": "ada", "email": "ada@example.org", "password1": PASSWORD, "password2": PASSWORD}

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.any_database,
    pytest.mark.usefixtures("own_surroundings", "queued"),
]


@pytest.fixture
def person() -> User:
    """Return a user with a password."""
    return User.objects.create_user("grace", "grace@example.org", PASSWORD)


def test_sign_up_signs_in_and_queues_a_welcome(client: Client, queued: list[dict[str, Any]]) -> None:
    answer = client.post("/accounts/signup/", SIGN_UP)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.session["_auth_user_id"] == str(User.objects.get(username="ada").pk)
    (message,) = queued
    assert message["subject"] == "Welcome to Darkroom"
    assert message["to"] == ["ada@example.org"]
    assert "Hello ada," in message["body"]
    assert django_mail.outbox == []


def test_welcome_mail_is_in_the_language_of_the_page(client: Client, queued: list[dict[str, Any]]) -> None:
    client.post("/accounts/signup/", SIGN_UP, headers={"Accept-Language": "de"})
    assert queued[0]["subject"] == "Willkommen bei Darkroom"
    assert "Guten Tag ada,\n\ndas Konto ist eingerichtet." in queued[0]["body"]
    assert preferences.language_of(User.objects.get(username="ada")) == "de"


def test_sign_up_succeeds_while_the_broker_is_unavailable(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_values: object, **_options: object) -> NoReturn:
        raise OperationalError("connection refused")

    monkeypatch.setattr(Task, "apply_async", refuse)
    assert client.post("/accounts/signup/", SIGN_UP).status_code == 302
    assert [message.to for message in django_mail.outbox] == [["ada@example.org"]]


def test_sign_up_reports_invalid_fields(client: Client) -> None:
    answer = client.post("/accounts/signup/", {**SIGN_UP, "password2": "another"})
    assert "You must type the same password each time." in answer.content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize("login", ["grace", "grace@example.org"])
def test_person_signs_in_by_name_or_email_and_signs_out(client: Client, person: User, login: str) -> None:
    answer = client.post("/accounts/login/", {"login": login, "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.session["_auth_user_id"] == str(person.pk)
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert "_auth_user_id" not in client.session


def test_password_is_reset_by_mail(
    client: Client, person: User, queued: list[dict[str, Any]], settings: Any
) -> None:
    settings.SITE_URL = "https://darkroom.example"
    client.post("/accounts/password/reset/", {"email": person.email})
    (message,) = queued
    link = re.search(r"https://darkroom\.example(/accounts/password/reset/key/\S+)", message["body"])
    assert link is not None
    form = client.get(link[1], follow=True)
    client.post(
        form.redirect_chain[-1][0], {"password1": "a-new-pass-phrase", "password2": "a-new-pass-phrase"}
    )
    person.refresh_from_db()
    assert person.check_password("a-new-pass-phrase")


def test_reset_answers_the_same_for_an_unknown_email(client: Client, person: User) -> None:
    known = client.post("/accounts/password/reset/", {"email": person.email})
    unknown = client.post("/accounts/password/reset/", {"email": "nobody@example.org"})
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("query", ["", "?sesame=wrong"])
def test_invalid_link_redirects_to_sign_in_with_a_reason(client: Client, query: str) -> None:
    answer = client.get("/accounts/link/" + query, follow=True)
    assert answer.redirect_chain == [("/accounts/login/", 302)]
    assert "no longer works" in answer.content.decode()


@pytest.mark.parametrize(
    "path",
    ["/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/accounts/password/reset/done/"],
)
def test_account_pages_use_the_stylesheet(client: Client, path: str) -> None:
    page = client.get(path).content.decode()
    assert "uploads/darkroom.css" in page
    assert "style=" not in page
