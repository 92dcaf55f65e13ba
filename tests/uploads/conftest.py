"""Fixtures for the tests of uploads."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.inbox import Inbox, mail_server
from tests.receiver import Receiver, receiving
from uploads import pipeline
from uploads.models import Endpoint, Upload
from uploads.notices import endpoints, preferences


@pytest.fixture
def person(db: None) -> User:
    """Return a user who visits pages."""
    return User.objects.create_user("ada", "ada@example.org")


@pytest.fixture
def signed_in(client: Client, person: User) -> Client:
    """Return a client that is signed in as the user."""
    client.force_login(person)
    return client


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Upload]:
    """Record the uploads whose chains are started."""
    uploads: list[Upload] = []

    def start(upload: Upload) -> bool:
        uploads.append(upload)
        return True

    monkeypatch.setattr(pipeline, "start", start)
    return uploads


@pytest.fixture
def inbox(settings: Any) -> Iterator[Inbox]:
    """Return the inbox of a real mail server, to which Django sends in this test."""
    with mail_server(settings) as inbox:
        yield inbox


@pytest.fixture
def each(owner: User) -> User:
    """Return the owner, who has chosen a mail for each upload."""
    preferences.choose_email(person=owner, choice="each")
    return owner


@pytest.fixture
def private_addresses(settings: Any) -> None:
    """Allow webhooks to private addresses."""
    settings.DARKROOM = {**settings.DARKROOM, "WEBHOOK_PRIVATE_ADDRESSES": True}


@pytest.fixture
def receiver(private_addresses: None) -> Iterator[Receiver]:
    """Return a real HTTP server that may receive webhooks."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def endpoint(owner: User, receiver: Receiver) -> Endpoint:
    """Return the owner's endpoint at the receiver, which gets every event."""
    return endpoints.add(owner=owner, url=receiver.url)
