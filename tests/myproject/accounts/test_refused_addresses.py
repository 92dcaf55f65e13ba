"""A refused address is verified again by a link in a mail, which is all that is mailed to it meanwhile."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.test import Client

from myproject import mail
from tests.inbox import Inbox
from tests.inbox import mail_server as running_mail_server
from uploads.models import Event
from uploads.notices import mailbox

PASSWORD = "correct-horse-battery"
MESSAGE = {"subject": "Hello", "body": "Words", "html_body": "", "message_id": "<1@darkroom>"}

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.any_database,
    pytest.mark.usefixtures("own_surroundings", "mail_server"),
]


@pytest.fixture
def person() -> User:
    """Return a person with a verified address."""
    person = User.objects.create_user("grace", "grace@example.org", PASSWORD)
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    return person


@pytest.fixture
def refused(person: User) -> User:
    """Return a person whose address was refused for good."""
    assert mailbox.note_refusal(person=person, address=person.email, reply="550 No such user")
    return person


@pytest.fixture
def inbox(settings: Any) -> Iterator[Inbox]:
    with running_mail_server(settings) as inbox:
        yield inbox


def link_in(message: dict[str, Any], begin: str) -> str:
    link = re.search(rf"http://127\.0\.0\.1:8000({begin}\S+)", message["body"])
    assert link is not None
    return link[1]


def send_link(person: User, queued: list[dict[str, Any]]) -> str:
    """Ask for a mail on the page, and return the link in it."""
    client = Client()
    client.force_login(person, "django.contrib.auth.backends.ModelBackend")
    page = client.get("/accounts/email/").content.decode()
    assert "550 No such user" in page
    assert "Verify the address again" in page
    client.post("/accounts/email/", {"email": person.email, "action_send": "1"})
    (message,) = queued
    assert message["to"] == [person.email]
    return link_in(message, "/account/verify/")


def test_link_in_a_mail_lets_the_address_be_used(
    client: Client, queued: list[dict[str, Any]], refused: User
) -> None:
    link = send_link(refused, queued)
    assert "Confirm" in client.get(link).content.decode()
    # Programs that look into mail open links, too.
    assert mailbox.address_of(refused) == ""
    assert client.post(link)["Location"] == "/account/"
    assert mailbox.address_of(refused) == "grace@example.org"


def test_forged_link_clears_nothing(client: Client, queued: list[dict[str, Any]], refused: User) -> None:
    link = send_link(refused, queued)
    answer = client.post(link[:-1] + ("a" if link[-1] != "a" else "b"))
    assert "This link has expired or was used" in answer.content.decode()
    assert mailbox.refused_address(refused)


def test_link_of_an_address_that_was_changed_clears_nothing(
    client: Client, queued: list[dict[str, Any]], refused: User
) -> None:
    link = send_link(refused, queued)
    EmailAddress.objects.all().delete()
    assert "This link has expired or was used" in client.post(link).content.decode()


def test_new_address_that_is_verified_lets_the_address_be_used(
    client: Client, queued: list[dict[str, Any]], refused: User
) -> None:
    client.force_login(refused, "django.contrib.auth.backends.ModelBackend")
    client.post("/accounts/email/", {"email": "new@example.org", "action_add": "1"})
    (message,) = queued
    client.post(link_in(message, "/accounts/confirm-email/"))
    refused.refresh_from_db()
    assert mailbox.address_of(refused) == "new@example.org"


def test_reset_mail_is_sent_and_its_reader_has_verified_the_address(
    client: Client, queued: list[dict[str, Any]], refused: User
) -> None:
    client.post("/accounts/password/reset/", {"email": refused.email})
    (message,) = queued
    form = client.get(link_in(message, "/accounts/password/reset/key/"))["Location"]
    client.post(form, {"password1": "a-new-pass-phrase", "password2": "a-new-pass-phrase"})
    assert mailbox.address_of(refused) == "grace@example.org"


def test_other_mail_is_not_sent_to_a_refused_address(
    client: Client, queued: list[dict[str, Any]], refused: User
) -> None:
    fields = {"email": refused.email, "password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/accounts/signup/", fields)["Location"] == "/accounts/confirm-email/"
    client.force_login(refused, "django.contrib.auth.backends.ModelBackend")
    assert client.post("/account/delete", {"password": PASSWORD})["Location"] == "/account/deleted"
    assert queued == []


@pytest.mark.parametrize(
    ("reply", "for_good"), [("550 5.1.1 No such user", True), ("550 5.7.1 Relaying denied", False)]
)
def test_account_mail_that_is_refused_for_good_is_not_repeated(
    inbox: Inbox, person: User, reply: str, for_good: bool
) -> None:
    inbox.recipient_answer = reply
    message = {
        "subject": "Hello",
        "body": "Words",
        "html_body": "",
        "to": [person.email],
        "message_id": "<1@x>",
    }
    mail.deliver_mail.apply(kwargs=message)
    assert inbox.recipients == [person.email] * (1 if for_good else 9)
    assert bool(mailbox.refused_address(person)) is for_good
    assert Event.objects.filter(name=Event.Name.EMAIL_REFUSED).count() == for_good


def test_refused_address_of_no_account_is_forgotten(inbox: Inbox) -> None:
    inbox.recipient_answer = "550 No such user"
    message = {
        "subject": "Hello",
        "body": "Words",
        "html_body": "",
        "to": ["x@example.org"],
        "message_id": "<1@x>",
    }
    assert mail.deliver_mail.apply(kwargs=message).state == "SUCCESS"
    assert not Event.objects.exists()
