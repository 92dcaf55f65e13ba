"""A new password ends all access that an intruder has prepared."""

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.management.commands import changepassword
from django.contrib.auth.models import User
from django.core import mail as django_mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client

from tests.conftest import MakeImage
from uploads.models import Delivery, Endpoint, Event
from uploads.notices import endpoints, preferences, schedule

PASSWORD, NEW = "correct-horse-battery", "a-new-pass-phrase"
VICTIM = "victim@example.org"
NOTICE = "Your password was changed: all API tokens are revoked and all webhooks are disabled"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.any_database,
    pytest.mark.usefixtures("own_surroundings"),
]


def new_token(name: str) -> str:
    output = StringIO()
    call_command("drf_create_token", name, stdout=output)
    key = re.search(r"\b[0-9a-f]{40}\b", output.getvalue())
    assert key is not None
    return key[0]


def works(token: str) -> bool:
    return Client().get("/api/uploads/", headers={"Authorization": f"Token {token}"}).status_code == 200


def link_in(message: dict[str, Any]) -> str:
    """Return the path of the link in an account mail."""
    link = re.search(r"http://127\.0\.0\.1:8000(/accounts/\S+)", message["body"])
    assert link is not None
    return link[1]


def reset_by_mail(client: Client, address: str, queued: list[dict[str, Any]]) -> None:
    queued.clear()
    client.post("/accounts/password/reset/", {"email": address})
    (message,) = queued
    assert message["to"] == [address]
    form = client.get(link_in(message), follow=True).redirect_chain[-1][0]
    client.post(form, {"password1": NEW, "password2": NEW})


def sign_in(login: str, password: str) -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": login, "password": password})
    assert client.get("/account/").status_code == 200
    return client


@pytest.fixture
def person() -> User:
    return User.objects.create_user("grace", "grace@example.org", PASSWORD)


def test_account_prepared_by_an_attacker_belongs_to_the_victim_after_a_reset(
    queued: list[dict[str, Any]], make_image: MakeImage
) -> None:
    attacker = Client()
    fields = {"username": "victim", "email": VICTIM, "password1": PASSWORD, "password2": PASSWORD}
    assert attacker.post("/accounts/signup/", fields).status_code == 302
    token = new_token("victim")
    attacker.post("/account/webhooks/", {"url": "https://attacker.example/hook"})
    attacker.post("/account/email/", {"email": "none"})
    assert works(token)

    victim = Client()
    reset_by_mail(victim, VICTIM, queued)
    victim = sign_in(VICTIM, NEW)
    picture = SimpleUploadedFile("private.jpg", make_image(), "image/jpeg")
    sent = victim.post("/api/uploads/", {"file": picture, "visibility": "private"})
    assert sent.status_code == 201

    assert not works(token)
    assert attacker.get("/account/").status_code == 302
    assert attacker.get("/api/events/").status_code in (401, 403)
    assert not Delivery.objects.filter(channel="webhook").exists()
    assert Endpoint.objects.get().disabled_reason == "password"
    assert NOTICE in victim.get("/notices/").content.decode()
    (delivery,) = Delivery.objects.filter(channel="email", event__name="account.password_changed")
    schedule.deliver(str(delivery.pk))
    (message,) = django_mail.outbox
    assert (message.to, message.subject) == ([VICTIM], "Your password was changed")
    assert NOTICE in message.body
    assert "http://127.0.0.1:8000/account/" in message.body


def test_pending_address_of_an_attacker_does_not_outlive_the_reset(
    queued: list[dict[str, Any]], person: User
) -> None:
    """The attacker has a session, asks for another address, and keeps the link that verifies it."""
    attacker = sign_in("grace", PASSWORD)
    attacker.post("/accounts/email/", {"email": "attacker@example.com", "action_add": "1"})
    kept = link_in(queued[-1])
    person.refresh_from_db()
    User.objects.filter(pk=person.pk).update(email="grace@example.org")
    reset_by_mail(Client(), "grace@example.org", queued)
    Client().post(kept)
    person.refresh_from_db()
    assert person.email == "grace@example.org"
    queued.clear()
    Client().post("/accounts/password/reset/", {"email": "attacker@example.com"})
    assert queued == []


def reset(person: User, queued: list[dict[str, Any]]) -> None:
    reset_by_mail(Client(), person.email, queued)


def change(person: User, _queued: object) -> None:
    client = sign_in("grace", PASSWORD)
    client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
    assert client.get("/account/").status_code == 200


def set_first(person: User, _queued: object) -> None:
    """Set the first password of a person without one, such as the demo person."""
    User.objects.filter(pk=person.pk).update(password="!")
    client = Client()
    client.force_login(User.objects.get(pk=person.pk))
    client.post("/accounts/password/set/", {"password1": NEW, "password2": NEW})


def change_in_the_admin(person: User, _queued: object) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    fields = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    assert client.post(f"/admin/auth/user/{person.pk}/password/", fields).status_code == 302


def change_by_command(_person: User, _queued: object) -> None:
    call_command("changepassword", "grace", stdout=StringIO())


@pytest.mark.parametrize("act", [reset, change, set_first, change_in_the_admin, change_by_command])
def test_every_change_of_a_password_ends_all_other_access(
    person: User, queued: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, act: Callable[..., None]
) -> None:
    monkeypatch.setattr(changepassword.Command, "_get_pass", lambda *_values: NEW)
    other, token = sign_in("grace", PASSWORD), new_token("grace")
    endpoints.add(owner=person, url="https://example.com/")
    act(person, queued)
    sign_in("grace", NEW)
    assert other.get("/account/").status_code == 302
    assert not works(token)
    assert not Endpoint.objects.get().enabled
    assert Event.objects.filter(owner=person, name="account.password_changed").count() == 1


@pytest.mark.usefixtures("queued")
def test_password_is_not_changed_if_the_access_cannot_be_ended(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in("grace", PASSWORD)
    monkeypatch.setattr("uploads.tokens.issuing.revoke_tokens", lambda _person: 1 / 0)
    client.raise_request_exception = False
    fields = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert client.post("/accounts/password/change/", fields).status_code == 500
    person.refresh_from_db()
    assert person.check_password(PASSWORD)


@pytest.mark.usefixtures("queued")
def test_access_of_other_people_and_of_after_the_change_stays(person: User) -> None:
    User.objects.create_user("ada", password=PASSWORD)
    theirs = new_token("ada")
    change(person, None)
    assert works(theirs)
    assert works(new_token("grace"))


@pytest.mark.usefixtures("queued")
def test_stronger_hash_of_the_same_password_ends_nothing(person: User, settings: Any) -> None:
    token = new_token("grace")
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.ScryptPasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    sign_in("grace", PASSWORD)
    person.refresh_from_db()
    assert person.password.startswith("scrypt")
    assert works(token)


@pytest.mark.usefixtures("queued")
def test_new_account_has_no_notice_of_a_new_password(client: Client) -> None:
    fields = {"username": "ada", "email": "ada@example.org", "password1": NEW, "password2": NEW}
    client.post("/accounts/signup/", fields)
    assert not Event.objects.exists()


@pytest.mark.usefixtures("queued")
def test_notice_is_in_the_language_of_the_person(person: User) -> None:
    preferences.choose_language(person=person, language="de")
    change(person, None)
    assert "Das Passwort wurde geändert" in Delivery.objects.filter(channel="in_app").get().subject
