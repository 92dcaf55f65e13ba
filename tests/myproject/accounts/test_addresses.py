"""With a mail server, an address is verified before it is used, and no answer reveals who has an account."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.test import Client

from myproject.accounts.addresses import notice_address

PASSWORD = "correct-horse-battery"
NEW = "a-new-pass-phrase"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.any_database,
    pytest.mark.usefixtures("own_surroundings", "mail_server"),
]


def sign_up(client: Client, email: str, **more: str) -> Any:
    fields = {"email": email, "password1": PASSWORD, "password2": PASSWORD, **more}
    return client.post("/accounts/signup/", fields)


def sign_in(login: str, password: str = PASSWORD) -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": login, "password": password})
    return client


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def link_in(message: dict[str, Any]) -> str:
    link = re.search(r"http://127\.0\.0\.1:8000(/accounts/\S+)", message["body"])
    assert link is not None
    return link[1]


@pytest.fixture
def verified() -> User:
    """Return a person with a verified address."""
    person = User.objects.create_user("grace", "grace@example.org", PASSWORD)
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    return person


def test_sign_up_is_finished_by_the_reader_of_the_mail(client: Client, queued: list[dict[str, Any]]) -> None:
    answer = sign_up(client, "ada@example.org")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/confirm-email/")
    assert not is_signed_in(client)
    person = User.objects.get()
    assert (person.username, notice_address(person)) == ("ada", "")
    (message,) = queued
    assert message["to"] == ["ada@example.org"]
    assert message["subject"] == "Confirm your email address for Darkroom"

    assert client.post(link_in(message))["Location"] == "/"
    assert is_signed_in(client)
    assert notice_address(person) == "ada@example.org"
    assert queued[1]["subject"] == "Welcome to Darkroom"


@pytest.mark.usefixtures("queued")
@pytest.mark.parametrize("login", ["ada", "ada@example.org"])
def test_unverified_person_cannot_sign_in(login: str) -> None:
    sign_up(Client(), "ada@example.org")
    client = sign_in(login)
    assert not is_signed_in(client)
    assert client.get("/account/").status_code == 302


def test_person_without_an_address_has_none_to_verify() -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    assert is_signed_in(sign_in("root"))


@pytest.mark.parametrize("follow", [False, True])
def test_sign_up_answers_the_same_for_known_and_new_addresses(
    queued: list[dict[str, Any]], verified: User, follow: bool
) -> None:
    pages = []
    for email in (verified.email, "other@example.org"):
        client = Client()
        answer = sign_up(client, email, username="chosen")
        if follow:
            answer = client.get(answer["Location"])
        text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", answer.content.decode())
        headers = {name: value for name, value in answer.items() if name != "Expires"}
        pages.append((answer.status_code, headers, text.replace(email, "the address")))
    assert pages[0] == pages[1]
    known, new = queued
    assert (known["to"], new["to"]) == ([verified.email], ["other@example.org"])
    assert known["body"].startswith("Hello,\n")
    assert "an account using that email address already exists" in known["body"]
    assert "/accounts/password/reset/" in known["body"]
    assert verified.check_password(PASSWORD)


@pytest.mark.usefixtures("queued")
def test_sign_up_takes_no_user_name_that_could_be_asked_for(verified: User) -> None:
    """A name that is taken after a sign-up would reveal that the address was new."""
    sign_up(Client(), "new@example.org", username="probe")
    sign_up(Client(), verified.email, username="probe2")
    assert set(User.objects.values_list("username", flat=True)) == {"grace", "new"}


def test_reset_mail_goes_to_no_stranger(client: Client, queued: list[dict[str, Any]], verified: User) -> None:
    answers = [client.post("/accounts/password/reset/", {"email": email}) for email in
               ("stranger@example.org", verified.email)]  # fmt: skip
    assert answers[0]["Location"] == answers[1]["Location"]
    assert [message["to"] for message in queued] == [[verified.email]]


def test_pending_address_gets_no_reset_mail(queued: list[dict[str, Any]], verified: User) -> None:
    client = sign_in("grace")
    client.post("/accounts/email/", {"email": "new@example.org", "action_add": "1"})
    assert [message["to"] for message in queued] == [["new@example.org"]]
    assert notice_address(verified) == "grace@example.org"
    Client().post("/accounts/password/reset/", {"email": "new@example.org"})
    assert len(queued) == 1
    # The owner opens the link, and has the new address alone.
    client.post(link_in(queued[0]))
    verified.refresh_from_db()
    assert (verified.email, notice_address(verified)) == ("new@example.org", "new@example.org")
    assert EmailAddress.objects.count() == 1


def test_unfinished_change_does_not_reserve_the_address_of_another_person(
    client: Client, queued: list[dict[str, Any]], verified: User
) -> None:
    sign_in("grace").post("/accounts/email/", {"email": "ada@example.org", "action_add": "1"})
    sign_up(client, "ada@example.org")
    grace, ada = queued
    assert grace["to"] == ada["to"] == ["ada@example.org"]
    Client().post(link_in(grace))
    client.post(link_in(ada))
    assert client.session["_auth_user_id"] == str(User.objects.get(username="ada").pk)
    verified.refresh_from_db()
    assert verified.email == "grace@example.org"


def test_reset_verifies_the_address_of_its_mail(queued: list[dict[str, Any]]) -> None:
    person = User.objects.create_user("ada", "ada@example.org", PASSWORD)
    client = Client()
    client.post("/accounts/password/reset/", {"email": "ada@example.org"})
    form = client.get(link_in(queued[0]), follow=True).redirect_chain[-1][0]
    assert notice_address(person) == ""
    client.post(form, {"password1": NEW, "password2": NEW})
    assert notice_address(person) == "ada@example.org"
    assert is_signed_in(sign_in("ada", NEW))


@pytest.mark.usefixtures("queued")
def test_address_page_shows_what_is_verified_and_what_waits(verified: User) -> None:
    client = sign_in("grace")
    client.post("/accounts/email/", {"email": "new@example.org", "action_add": "1"})
    page = client.get("/accounts/email/").content.decode()
    assert "<bdi>grace@example.org</bdi>" in page
    assert "<bdi>new@example.org</bdi>" in page
    assert "style=" not in page
    client.post("/accounts/email/", {"email": "new@example.org", "action_remove": "1"})
    assert EmailAddress.objects.get().email == "grace@example.org"
