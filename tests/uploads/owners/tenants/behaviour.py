"""Owners that are tenants: their users share a gallery, and the administrator gets the emails."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connections
from django.test import AsyncClient, Client

from tests.inbox import Inbox, mail_server
from tests.uploads.owners.conftest import SendTo
from tests.uploads.owners.tenants.models import Membership, Tenant
from uploads import completion, services
from uploads.api.views import _still_allowed
from uploads.events.stream import follow
from uploads.models import Delivery, Quota, Upload
from uploads.notices import email, endpoints, preferences, schedule
from uploads.tokens import issuing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def acme(db: None) -> Tenant:
    return Tenant.objects.create(name="Acme")


def member(tenant: Tenant, name: str, *, is_administrator: bool = False) -> User:
    user = User.objects.create_user(name, f"{name}@example.org")
    Membership.objects.create(user=user, tenant=tenant, is_administrator=is_administrator)
    return user


@pytest.fixture
def ada(acme: Tenant) -> User:
    return member(acme, "ada")


@pytest.fixture
def boss(acme: Tenant) -> User:
    return member(acme, "boss", is_administrator=True)


@pytest.fixture
def eve(db: None) -> User:
    return member(Tenant.objects.create(name="Evil"), "eve")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def deliver_all() -> None:
    """Deliver what is due, as a worker would."""
    Delivery.objects.update(queued_at=None)
    for delivery in schedule.due():
        schedule.deliver(str(delivery.pk))


def test_models_migrations_and_rules_fit_together(db: None) -> None:
    assert [message for message in run_checks() if message.id != "darkroom.W002"] == []
    call_command("makemigrations", check=True, stdout=StringIO())


def test_users_of_a_tenant_share_its_gallery(ada: User, boss: User, eve: User, send_to: SendTo) -> None:
    sent = send_to(signed_in(ada)).json()
    again = send_to(signed_in(boss))
    assert (again.status_code, again.json()["id"], again.json()["duplicate"]) == (200, sent["id"], True)
    path = f"/uploads/{sent['id']}/"
    assert [signed_in(user).get(path).status_code for user in (ada, boss, eve)] == [200, 200, 404]
    assert path in signed_in(boss).get("/").content.decode()
    assert path not in signed_in(eve).get("/").content.decode()
    assert Quota.objects.get().images == 1


def test_colleague_may_change_and_delete(ada: User, boss: User, eve: User, send_to: SendTo) -> None:
    path = f"/api/uploads/{send_to(signed_in(ada)).json()['id']}/"
    change = {"visibility": "private"}
    assert signed_in(eve).patch(path, change, content_type="application/json").status_code == 404
    assert signed_in(boss).patch(path, change, content_type="application/json").status_code == 200
    assert signed_in(boss).delete(path).status_code == 204


def test_token_of_a_user_acts_for_the_tenant(ada: User, boss: User, send_to: SendTo) -> None:
    key = issuing.issue(owner=ada, name="a program", scope="all").key
    sent = send_to(Client(headers={"Authorization": f"Token {key}"}), visibility="private").json()
    completion.run_here(Upload.objects.get())
    picture = f"/i/{sent['id']}/thumb"
    assert Client(headers={"Authorization": f"Token {key}"}).get(picture).status_code == 200
    assert signed_in(boss).get(picture).status_code == 200
    assert Client().get(picture).status_code == 404


def test_user_without_a_tenant_is_refused(db: None, send_to: SendTo) -> None:
    client = signed_in(User.objects.create_user("new"))
    assert client.get("/").status_code == 403
    assert client.get("/api/uploads/").status_code == 403
    assert send_to(client).status_code == 403
    assert client.get("/account/").status_code == 200


def test_visitor_is_sent_to_sign_in(db: None) -> None:
    answer = Client().get("/notices/?page=2")
    assert (answer.status_code, answer.headers["Location"]) == (
        302,
        "/accounts/login/?next=/notices/%3Fpage%3D2",
    )
    assert Client().get("/api/uploads/").status_code == 401


def test_suspended_tenant_has_no_access_and_nothing_of_it_is_served(
    ada: User, acme: Tenant, send_to: SendTo
) -> None:
    upload = Upload.objects.get(pk=send_to(signed_in(ada)).json()["id"])
    completion.run_here(upload)
    Tenant.objects.update(is_active=False)
    assert signed_in(ada).get("/").status_code == 403
    assert send_to(signed_in(ada), seed=1).status_code == 403
    assert Client().get(f"/i/{upload.pk}/thumb").status_code == 404


@pytest.fixture
def inbox(settings: Any) -> Iterator[Inbox]:
    with mail_server(settings) as inbox:
        yield inbox


def test_administrator_gets_the_email_in_their_language(
    ada: User, boss: User, send_to: SendTo, inbox: Inbox
) -> None:
    preferences.choose_email(person=boss, choice="each")
    preferences.choose_language(person=boss, language="de")
    preferences.choose_language(person=ada, language="en")
    send_to(signed_in(ada))
    completion.run_here(Upload.objects.get())
    deliver_all()
    assert [message["To"] for message in inbox.messages] == ["boss@example.org"]
    assert "ist fertig" in inbox.messages[0]["Subject"]
    assert signed_in(ada).get("/api/notices/").json()["unread"] == 1


def test_batch_of_a_tenant_is_one_digest_for_the_administrator(
    ada: User, boss: User, send_to: SendTo, inbox: Inbox
) -> None:
    for seed, user in enumerate((ada, boss)):
        send_to(signed_in(user), seed=seed)
    for upload in Upload.objects.all():
        completion.run_here(upload)
    for delivery in email.held():
        Delivery.objects.filter(pk=delivery.pk).update(created_at=delivery.created_at - timedelta(minutes=1))
    assert email.gather() == 2
    deliver_all()
    assert [message["To"] for message in inbox.messages] == ["boss@example.org"]


def test_tenant_without_an_administrator_keeps_its_notices(ada: User, send_to: SendTo) -> None:
    send_to(signed_in(ada))
    completion.run_here(Upload.objects.get())
    assert [one.channel for one in Delivery.objects.all()] == [Delivery.Channel.IN_APP]


def test_held_emails_wait_for_a_new_administrator(ada: User, boss: User, send_to: SendTo) -> None:
    send_to(signed_in(ada))
    completion.run_here(Upload.objects.get())
    held = email.held().get()
    Delivery.objects.filter(pk=held.pk).update(created_at=held.created_at - timedelta(minutes=1))
    boss.delete()
    assert (email.gather(), email.held().count()) == (0, 1)
    member(Tenant.objects.get(name="Acme"), "chief", is_administrator=True)
    assert (email.gather(), email.held().count()) == (1, 0)


def test_images_outlive_the_user_who_sent_them(ada: User, boss: User, send_to: SendTo) -> None:
    sent = send_to(signed_in(ada)).json()
    ada.delete()
    assert signed_in(boss).get(f"/api/uploads/{sent['id']}/").status_code == 200


def test_stream_of_a_deactivated_user_ends(ada: User) -> None:
    # The primary keys of different models may be equal.
    tenant = Tenant.objects.create(pk=ada.pk, name="Same")
    allowed = _still_allowed(SimpleNamespace(auth=None, user=ada), tenant)
    assert allowed is not None
    assert allowed()

    def deactivate() -> None:
        User.objects.filter(pk=ada.pk).update(is_active=False)
        connections.close_all()

    async def test() -> list[str]:
        await sync_to_async(deactivate, thread_sensitive=False)()
        return [block async for block in follow(owner_id=tenant.pk, after=0, is_allowed=allowed)]

    assert len(asyncio.run(asyncio.wait_for(test(), 20))) == 1


def test_each_user_of_a_tenant_has_their_own_streams(ada: User, boss: User, settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "STREAMS_PER_PERSON": 1}

    def stream_of(user: User) -> Any:
        client = AsyncClient()
        client.force_login(user)
        return async_to_sync(client.get)("/api/events/")

    streams = [stream_of(user) for user in (ada, boss, ada)]
    assert [stream.status_code for stream in streams] == [200, 200, 429]


def test_new_password_revokes_the_tokens_of_a_user(ada: User, acme: Tenant) -> None:
    issuing.issue(owner=ada, name="a program", scope="all")
    endpoint = endpoints.add(owner=acme, url="https://acme.example/events")
    services.end_access(person=ada)
    assert not issuing.tokens_of(ada).exists()
    endpoint.refresh_from_db()
    assert endpoint.enabled


def test_audit_adopts_for_a_tenant(acme: Tenant) -> None:
    call_command("audit", "--adopt", "Acme", stdout=StringIO())
