"""A mail server that refuses an address for good is believed at once, and one that refuses us is not.

The mail server is a real one.
"""

from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from deploy.ports import any_free_port
from tests.conftest import MakeImage, Send
from tests.inbox import Inbox
from tests.threads import at_once
from uploads.models import Delivery, Event, Preferences, Upload
from uploads.notices import email, mailbox, schedule
from uploads.notices.announcements import announce
from uploads.notices.schedule import DeliveryFailed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("each")]

# The replies of the mail server to these commands are attributes of `Inbox`.
RCPT, DATA = "recipient_answer", "answer"
# Replies to RCPT or DATA that are about the address, and will not change.
FOR_GOOD = (
    "550 5.1.1 <ada@example.com>: Recipient address rejected: User unknown",
    "550 No such user here",
    "550-5.1.1 The email account that you tried to reach does not exist.\r\n550 5.1.1 Please check it.",
    "550 5.4.1 Recipient address rejected: Access denied",
    "551 User not local",
    "552 5.2.2 Mailbox full",
    "553 Mailbox name not allowed",
    "554 Transaction failed",
    "556 5.1.10 Domain does not accept mail",
    "550 5.7.17 Mailbox owner has changed",
)
# Replies that may change, or are about this site, its sign-in or its message.
NOT_FOR_GOOD = (
    "421 Service not available",
    "450 4.2.1 Mailbox busy",
    "451 4.7.1 Greylisted, come back later",
    "452 4.2.2 Mailbox full",
    "503 Bad sequence of commands",
    "530 5.7.0 Authentication required",
    "535 5.7.8 Authentication credentials invalid",
    "550 5.7.1 Relaying denied",
    "550 relay not permitted",
    "554 5.7.1 Service unavailable; client host blocked",
    "550 5.1.8 Sender address rejected: domain not found",
    "552 5.3.4 Message size exceeds fixed limit",
    "554 5.6.0 Message contains invalid header",
)


def make_email(upload: Upload) -> Delivery:
    event = announce(upload, Event.Name.READY)
    assert event is not None
    return event.deliveries.get(channel="email")


@pytest.fixture
def mail(send: Send) -> Delivery:
    """Return an email that is due."""
    return make_email(send())


def attempt(delivery: Delivery) -> Delivery:
    """Try to send an email that will not be delivered, and return its state."""
    with pytest.raises(DeliveryFailed):
        schedule.deliver(str(delivery.pk))
    delivery.refresh_from_db()
    assert delivery.delivered_at is None
    return delivery


@pytest.mark.parametrize(
    ("command", "reply"), [*[(RCPT, reply) for reply in FOR_GOOD], *[(DATA, reply) for reply in FOR_GOOD[:2]]]
)
def test_permanent_refusal_ends_the_delivery_and_the_use_of_the_address(
    inbox: Inbox, mail: Delivery, owner: User, reply: str, command: str
) -> None:
    setattr(inbox, command, reply)
    after = attempt(mail)
    assert (after.state, after.attempts, after.next_attempt_at) == ("failed", 1, None)
    assert reply[:3] in after.last_error
    assert not schedule.due(drained=True).exists()
    refused = mailbox.refused_address(owner)
    assert refused is not None
    assert refused.address == owner.email
    assert refused.reply == after.last_error
    assert mailbox.address_of(owner) == ""


@pytest.mark.parametrize(
    ("command", "reply"),
    [*[(RCPT, reply) for reply in NOT_FOR_GOOD], *[(DATA, reply) for reply in NOT_FOR_GOOD[-3:]]],
)
def test_reply_that_may_change_or_is_about_this_site_is_retried(
    inbox: Inbox, mail: Delivery, owner: User, reply: str, command: str
) -> None:
    setattr(inbox, command, reply)
    after = attempt(mail)
    assert (after.state, after.attempts) == ("waiting", 1)
    assert after.next_attempt_at is not None
    assert mailbox.address_of(owner) == owner.email
    assert not Event.objects.filter(name=Event.Name.EMAIL_REFUSED).exists()


@pytest.mark.parametrize(
    "reply",
    [
        "554 5.7.1 Policy",
        "550 Go away",
        "530 Authentication required",
        "535 Authentication failed",
        "451 Try again",
    ],
)
def test_refused_sender_is_retried(inbox: Inbox, mail: Delivery, owner: User, reply: str) -> None:
    inbox.sender_answer = reply
    assert attempt(mail).state == "waiting"
    assert mailbox.refused_address(owner) is None


def test_lost_connection_is_retried(mail: Delivery, owner: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_PORT = any_free_port()
    assert attempt(mail).state == "waiting"
    assert mailbox.refused_address(owner) is None


def test_nothing_is_mailed_to_a_refused_address(
    inbox: Inbox, mail: Delivery, owner: User, send: Send, make_image: MakeImage
) -> None:
    waiting = make_email(send(make_image(seed=1)))
    inbox.recipient_answer = "550 No such user"
    attempt(mail)
    inbox.recipient_answer = "250 OK"
    assert attempt(waiting).state == "waiting"
    event = announce(send(make_image(seed=2)), Event.Name.READY)
    assert event is not None
    assert not event.deliveries.filter(channel="email").exists()
    assert inbox.recipients == [owner.email]
    # Once the address is verified again, the email that waited is sent.
    mailbox.use_again(owner)
    Delivery.objects.filter(pk=waiting.pk).update(next_attempt_at=waiting.created_at)
    schedule.deliver(str(waiting.pk))
    assert len(inbox.messages) == 1


def test_notice_on_the_page_says_it_once(
    inbox: Inbox, mail: Delivery, send: Send, make_image: MakeImage, client: Client
) -> None:
    owner, other = mail.event.owner, make_email(send(make_image(seed=1)))
    inbox.recipient_answer = "550 5.1.1 No <b>such</b> user"
    attempt(mail)
    attempt(other)
    event = Event.objects.get(name=Event.Name.EMAIL_REFUSED)
    assert event.data == {"email": owner.email, "detail": "550 5.1.1 No <b>such</b> user"}
    (notice,) = event.deliveries.all()
    assert notice.channel == "in_app"
    assert "ada@example.com" in notice.subject
    client.force_login(owner)
    assert notice.subject in client.get("/notices/").content.decode()
    page = client.get("/account/").content.decode()
    assert "Nothing is mailed to ada@example.com" in page
    assert "550 5.1.1 No &lt;b&gt;such&lt;/b&gt; user" in page
    mailbox.use_again(owner)
    assert "Nothing is mailed" not in client.get("/account/").content.decode()


def test_other_address_is_used(inbox: Inbox, mail: Delivery, owner: User) -> None:
    inbox.recipient_answer = "550 No such user"
    attempt(mail)
    owner.email = "grace@example.com"
    owner.save()
    assert mailbox.address_of(owner) == "grace@example.com"
    owner.email = "Ada@example.com"
    assert mailbox.address_of(owner) == ""


def test_address_that_was_changed_meanwhile_is_not_refused(owner: User) -> None:
    assert not mailbox.note_refusal(person=owner, address="former@example.com", reply="550 No such user")
    assert not Preferences.objects.exclude(refused_address="").exists()


def test_refused_digest_ends_all_its_deliveries(
    inbox: Inbox, owner: User, send: Send, make_image: MakeImage, stopped_clock: datetime
) -> None:
    Preferences.objects.update(email="digest")
    for seed in range(2):
        make_email(send(make_image(seed=seed)))
    Upload.objects.update(status="ready")
    Delivery.objects.filter(channel="email").update(created_at=stopped_clock.replace(year=2020))
    email.gather()
    inbox.answer = "550 No such user"
    (head,) = schedule.due()
    attempt(head)
    mails = Delivery.objects.filter(channel="email")
    assert [one.state for one in mails] == ["failed", "failed"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_concurrent_refusals_are_told_once(
    inbox: Inbox, owner: User, send: Send, make_image: MakeImage
) -> None:
    mails = [make_email(send(make_image(seed=seed))) for seed in range(4)]
    inbox.recipient_answer = "550 No such user"
    at_once(*[partial(attempt, one) for one in mails])
    assert Event.objects.filter(name=Event.Name.EMAIL_REFUSED).count() == 1
    assert not schedule.due(drained=True).exists()
