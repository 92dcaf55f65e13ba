"""A person deletes the account with everything of theirs, and nothing of other people."""

import asyncio
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from asgiref.sync import sync_to_async
from django.apps import apps
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connections
from django.test import Client
from rest_framework.authtoken.models import Token

from myproject.leaving import sessions
from processing import originals
from processing.models import Original
from tests.conftest import MakeFile, MakeImage, Send, assert_storage_matches_rows
from uploads import services
from uploads.events.stream import follow
from uploads.models import Event, Quota, Reservation, Upload
from uploads.notices import endpoints, preferences, webhooks
from uploads.notices.announcements import announce
from uploads.services import AccountDeleted
from uploads.serving import private_links
from uploads.signals import upload_deleted
from uploads.upkeep import retention
from uploads.upkeep.collector import collect

PASSWORD = "correct horse"

# Each test renders the uploads of a person, and commits.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("queued"),
    pytest.mark.slow,
]


@pytest.fixture(autouse=True)
def _own_limits() -> None:
    cache.clear()


@pytest.fixture
def shared(make_image: MakeImage) -> bytes:
    """Return an image that both people send."""
    return make_image(seed=9)


@pytest.fixture
def rich(owner: User, stranger: User, send: Send, shared: bytes) -> User:
    """Return a person with rows of every kind, who shares an original with the stranger."""
    for person in (owner, stranger):
        upload = send(shared, by=person, name="shared.jpg")
        services.update_upload(upload=upload, visibility="private")
        private_links.make(upload=upload)
        announce(upload, Event.Name.READY)
        preferences.choose_email(person=person, choice="each")
        Token.objects.create(user=person)
        endpoint = endpoints.add(owner=person, url="https://example.com/")
        event = Event.objects.create(owner=person, name=Event.Name.WEBHOOK_TEST)
        webhooks.create_delivery(event=event, endpoint=endpoint)
        EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
        Client().force_login(person)
    services.set_focus(upload=send(), point=(0.2, 0.8))
    return owner


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def delete(client: Client, **fields: str) -> Any:
    return client.post("/account/delete", fields or {"password": PASSWORD})


def rows_that_name(person_id: int) -> list[str]:
    """Return every row with a foreign key to a person, and every session of the person."""
    found = [
        f"{model.__name__}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.concrete and field.is_relation and field.related_model is get_user_model()
        for _row in model._base_manager.filter(**{field.name: person_id})
    ]
    return found + [
        "Session" for one in Session.objects.all() if one.get_decoded()[SESSION_KEY] == str(person_id)
    ]


def test_deletion_leaves_no_row_that_names_the_person(rich: User, stranger: User) -> None:
    named, theirs = set(rows_that_name(rich.pk)), sorted(rows_that_name(stranger.pk))
    assert {"Upload.owner", "Event.owner", "Endpoint.owner", "Quota.owner", "Token.user", "Session"} <= named
    assert {"Preferences.owner", "EmailAddress.user"} <= named
    answer = delete(signed_in(rich))
    assert answer["Location"] == "/account/deleted"
    assert rows_that_name(rich.pk) == []
    assert not User.objects.filter(pk=rich.pk).exists()
    assert sorted(rows_that_name(stranger.pk)) == theirs


def test_shared_original_stays_and_others_are_collected(
    rich: User, stranger: User, shared: bytes, settings: Any
) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "DELETE_GRACE": 0}
    assert Original.objects.count() == 2
    delete(signed_in(rich))
    assert Original.objects.count() == 2
    assert collect() == 1
    assert Upload.objects.get().owner == stranger
    assert Original.objects.get().byte_size == len(shared)
    assert_storage_matches_rows()


def test_page_says_what_goes(rich: User) -> None:
    page = " ".join(signed_in(rich).get("/account/delete").content.decode().split())
    assert "2 images (" in page
    assert "1 webhook, and all API tokens" in page
    assert 'href="/account/delete"' in signed_in(rich).get("/account/").content.decode()


def test_wrong_password_deletes_nothing(rich: User) -> None:
    client = signed_in(rich)
    for fields in ({"password": "wrong"}, {"password": ""}, {"username": rich.username}):
        answer = delete(client, **fields)
        assert answer.status_code == 200
    assert b"This password is wrong." in delete(client, password="wrong").content
    assert User.objects.filter(pk=rich.pk).exists()


def test_passwords_cannot_be_guessed_without_limit(rich: User) -> None:
    client = signed_in(rich)
    answers = [delete(client, password="wrong").status_code for _ in range(11)]
    assert answers == [200] * 10 + [429]
    assert delete(client).status_code == 429


def test_person_without_a_password_types_the_username(owner: User) -> None:
    owner.set_unusable_password()
    owner.save()
    client = signed_in(owner)
    assert b"This is not your username." in delete(client, username="bob").content
    assert delete(client, username="ada")["Location"] == "/account/deleted"
    assert not User.objects.exists()


@pytest.mark.parametrize("field", ["is_staff", "is_superuser"])
def test_staff_cannot_delete_themselves(owner: User, field: str) -> None:
    User.objects.update(**{field: True})
    client = signed_in(owner)
    assert b"Staff cannot delete their own account here." in client.get("/account/delete").content
    assert delete(client).status_code == 403
    assert User.objects.exists()


def test_only_the_person_can_ask(rich: User) -> None:
    assert delete(Client())["Location"].startswith("/accounts/login/")
    elsewhere = Client(enforce_csrf_checks=True)
    elsewhere.force_login(rich)
    assert delete(elsewhere).status_code == 403
    token = Token.objects.get(user=rich).key
    by_token = Client(headers={"Authorization": f"Token {token}"})
    assert delete(by_token)["Location"].startswith("/accounts/login/")
    assert User.objects.filter(pk=rich.pk).exists()


def test_all_sessions_and_tokens_end(rich: User) -> None:
    here, elsewhere, token = signed_in(rich), signed_in(rich), Token.objects.get(user=rich).key
    answer = here.post("/account/delete", {"password": PASSWORD}, follow=True)
    assert b"The account and everything that belonged to it are deleted." in answer.content
    assert not here.session.items()
    assert elsewhere.get("/").status_code == 302
    by_token = Client(headers={"Authorization": f"Token {token}"})
    assert by_token.get("/api/uploads/").status_code == 401


def test_last_mail_goes_to_the_verified_address(
    rich: User, queued: list[dict[str, Any]], mail_server: None
) -> None:
    preferences.choose_language(person=rich, language="de")
    delete(signed_in(rich))
    (message,) = queued
    assert message["to"] == ["ada@example.com"]
    assert message["subject"] == "Das Darkroom-Konto ist gelöscht"
    assert "Das Konto ist gelöscht" in message["body"]


def test_no_mail_goes_to_an_unverified_address(
    owner: User, queued: list[dict[str, Any]], mail_server: None
) -> None:
    delete(signed_in(owner))
    assert queued == []
    assert not User.objects.exists()


def test_failure_deletes_nothing_and_sends_no_mail(
    rich: User, queued: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(rows_that_name(rich.pk))

    def fail(_owner_id: int) -> None:
        raise RuntimeError

    monkeypatch.setattr(services, "end_streams", fail)
    client = signed_in(rich)
    client.raise_request_exception = False
    assert delete(client).status_code == 500
    assert sorted(rows_that_name(rich.pk)) == sorted([*before, "Session"])
    assert queued == []


def test_event_stream_ends(rich: User) -> None:
    async def deleted_while_it_runs() -> list[str]:
        stream = follow(owner_id=rich.pk, after=10**9)
        blocks = [await anext(stream)]
        await sync_to_async(services.remove_person)(person=rich)
        async with asyncio.timeout(60):
            blocks += [block async for block in stream]
        await sync_to_async(connections.close_all)()
        return blocks

    first, *rest = asyncio.run(deleted_while_it_runs())
    assert first.startswith("retry:")
    assert set(rest) <= {": still here\n\n"}


def test_image_that_is_sent_meanwhile_is_refused(
    owner: User, make_file: MakeFile, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the refusal, the request would try for ever."""
    store = originals.ensure_stored

    def delete_then_store(**arguments: Any) -> bool:
        if User.objects.exists():
            services.remove_person(person=User.objects.get())
        return store(**arguments)

    monkeypatch.setattr(originals, "ensure_stored", delete_then_store)
    with pytest.raises(AccountDeleted):
        services.receive_upload(owner=owner, file=make_file(make_image()))
    assert not Upload.objects.exists()
    assert not Quota.objects.exists()
    assert_storage_matches_rows()


def test_image_that_is_sent_afterwards_is_refused(
    owner: User, make_file: MakeFile, make_image: MakeImage
) -> None:
    services.remove_person(person=User.objects.get(pk=owner.pk))
    with pytest.raises(AccountDeleted):
        services.receive_upload(owner=owner, file=make_file(make_image()))
    assert not Reservation.objects.exists()


def test_deletion_reads_a_bounded_number_of_sessions(
    rich: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_NEWEST", 1)
    signed_in(rich)
    person_id = rich.pk
    services.remove_person(person=rich)
    assert rows_that_name(person_id) == ["Session"]
    for _ in range(2):
        retention.end_sessions()
        assert rows_that_name(person_id) == []
        assert "Session" in rows_that_name(stranger.pk)


def test_other_apps_are_told_of_each_live_upload(rich: User, send: Send, make_image: MakeImage) -> None:
    services.delete_upload(upload=send(make_image(seed=3), name="deleted.jpg"))
    seen = []

    def receive(upload: Upload, **_arguments: Any) -> None:
        seen.append(upload.filename)

    upload_deleted.connect(receive)
    try:
        services.remove_person(person=rich)
    finally:
        upload_deleted.disconnect(receive)
    assert sorted(seen) == ["photo.jpg", "shared.jpg"]


def test_many_rows_are_deleted_in_parts(rich: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_PART", 1)
    services.remove_person(person=rich)
    assert rows_that_name(rich.pk) == []


def test_staff_delete_a_person_in_the_admin(
    rich: User, stranger: User, admin_client: Client, queued: list[dict[str, Any]]
) -> None:
    page = admin_client.get(f"/admin/auth/user/{rich.pk}/delete/").content.decode()
    assert "ada, with 2 images" in page
    rich_id = rich.pk
    admin_client.post(f"/admin/auth/user/{rich_id}/delete/", {"post": "yes"})
    assert rows_that_name(rich_id) == []
    action = {"action": "delete_selected", "_selected_action": [stranger.pk], "post": "yes"}
    admin_client.post("/admin/auth/user/", action)
    assert rows_that_name(stranger.pk) == []
    assert [message["to"] for message in queued] == [["ada@example.com"], ["bob@example.com"]]


def test_plain_deletion_of_the_row_leaves_nothing_either(rich: User) -> None:
    rich_id = rich.pk
    rich.delete()
    assert rows_that_name(rich_id) == []
    assert Upload.objects.get().owner.username == "bob"
