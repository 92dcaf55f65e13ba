"""Notices: the events that have them, and their channels."""

import pytest
from django.contrib.auth.models import User
from django.utils.translation import override

from tests.conftest import Send
from uploads.models import Delivery, Event
from uploads.notices import preferences
from uploads.notices.announcements import announce

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", [Event.Name.RECEIVED, Event.Name.THUMBNAILS_READY, Event.Name.DELETED])
def test_other_events_create_no_notice(send: Send, name: Event.Name) -> None:
    announce(send(), name)
    assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    ("choice", "channels", "at_once"),
    [
        ("each", {"in_app", "email"}, True),
        ("digest", {"in_app", "email"}, False),
        ("none", {"in_app"}, False),
    ],
)
def test_mail_is_sent_held_or_omitted_by_choice(
    send: Send, owner: User, choice: str, channels: set[str], at_once: bool
) -> None:
    preferences.choose_email(person=owner, choice=choice)
    announce(send(), Event.Name.READY)
    assert set(Delivery.objects.values_list("channel", flat=True)) == channels
    assert Delivery.objects.filter(next_attempt_at__isnull=False).exists() == at_once


def test_owner_without_an_email_gets_no_mail(send: Send, owner: User) -> None:
    owner.email = ""
    owner.save()
    announce(send(), Event.Name.READY)
    assert Delivery.objects.get().channel == "in_app"


def test_notice_is_in_the_language_of_the_owner(send: Send, owner: User) -> None:
    preferences.choose_language(person=owner, language="de")
    upload = send()
    with override("en"):
        announce(upload, Event.Name.READY)
    assert {row.subject for row in Delivery.objects.all()} == {"photo.jpg ist fertig"}


def test_notice_ignores_the_language_of_the_request(send: Send) -> None:
    upload = send()
    with override("de"):
        announce(upload, Event.Name.FAILED, code="unreadable_image", detail="It is damaged.")
    assert {row.subject for row in Delivery.objects.all()} == {"photo.jpg could not be processed"}
