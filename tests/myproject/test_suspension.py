"""A suspended person has no access, and nothing of theirs is served, until they are reinstated."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.core import mail
from django.db import connections
from django.test import Client
from rest_framework.authtoken.models import Token

from processing.models import Rendition
from tests.conftest import Send
from uploads import services
from uploads.events import wakeups
from uploads.events.stream import follow
from uploads.models import Delivery, Event, Upload
from uploads.notices import email, endpoints, preferences, schedule
from uploads.notices.announcements import announce
from uploads.serving import links, private_links
from uploads.testing import render

PASSWORD = "correct horse"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.any_database,
    pytest.mark.usefixtures("own_surroundings", "queued"),
]


@pytest.fixture
def ready(send: Send) -> Upload:
    return render(send())


def act(client: Client, action: str, *people: User) -> list[str]:
    """Carry out an action on the list of people, and return the messages."""
    data = {"action": action, "_selected_action": [str(person.pk) for person in people]}
    answer = client.post("/admin/auth/user/", data)
    assert answer.status_code == 302
    return [str(message) for message in get_messages(answer.wsgi_request)]


def is_active(person: User) -> bool:
    return User.objects.get(pk=person.pk).is_active


def switch(person: User, *, active: bool) -> None:
    User.objects.filter(pk=person.pk).update(is_active=active)


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_staff_suspend_and_reinstate_a_person(admin_client: Client, owner: User) -> None:
    assert act(admin_client, "suspend", owner)[-1] == "1 person suspended."
    assert not is_active(owner)
    assert act(admin_client, "suspend", owner)[-1] == "0 people suspended."
    assert act(admin_client, "reinstate", owner)[-1] == "1 person reinstated."
    assert is_active(owner)
    entries = LogEntry.objects.order_by("pk").values_list("object_id", "change_message", "user__username")
    assert list(entries) == [
        (str(owner.pk), "Suspended.", "admin"), (str(owner.pk), "Reinstated.", "admin"),
    ]  # fmt: skip


def test_staff_suspend_neither_themselves_nor_superusers(admin_user: User, owner: User) -> None:
    staff = User.objects.create_user("eve", is_staff=True)
    staff.user_permissions.add(*Permission.objects.filter(codename__in=["view_user", "change_user"]))
    found = act(signed_in(staff), "suspend", staff, admin_user, owner)
    assert set(found) == {
        "You cannot suspend eve.", "You cannot suspend admin.", "1 person suspended.",
    }  # fmt: skip
    assert (is_active(staff), is_active(admin_user), is_active(owner)) == (True, True, False)


def test_staff_need_the_permission(owner: User) -> None:
    staff = User.objects.create_user("eve", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_user"))
    data = {"action": "suspend", "_selected_action": [str(owner.pk)]}
    signed_in(staff).post("/admin/auth/user/", data)
    assert is_active(owner)


def test_sessions_and_tokens_rest(owner: User, ready: Upload) -> None:
    client = signed_in(owner)
    by_token = {"Authorization": f"Token {Token.objects.create(user=owner).key}"}
    original = f"/uploads/{ready.pk}/original"

    def answers() -> list[int]:
        asked = [client.get("/"), client.head(original), client.get("/api/uploads/")]
        tokens = [
            Client().head(original, headers=by_token),
            Client().get("/api/uploads/", headers=by_token),
        ]
        return [answer.status_code for answer in (*asked, *tokens)]

    assert answers() == [200] * 5
    switch(owner, active=False)
    assert answers() == [302, 404, 401, 404, 401]
    switch(owner, active=True)
    assert answers() == [200] * 5


@pytest.mark.parametrize("login", ["ada", "ada@example.com"])
def test_sign_in_says_what_it_says_for_a_wrong_password(owner: User, login: str) -> None:
    def sign_in(password: str) -> tuple[int, str, bool]:
        client = Client()
        answer = client.post("/accounts/login/", {"login": login, "password": password})
        found = answer.context["form"].errors.as_json() if answer.status_code == 200 else ""
        return answer.status_code, found, "_auth_user_id" in client.session

    wrong = sign_in("wrong")
    assert sign_in(PASSWORD)[0] == 302
    switch(owner, active=False)
    assert sign_in(PASSWORD) == wrong
    assert wrong[0] == 200
    switch(owner, active=True)
    assert sign_in(PASSWORD) == (302, "", True)


def test_nothing_is_served_but_to_staff(owner: User, ready: Upload, admin_client: Client) -> None:
    row = Rendition.objects.filter(preset="thumb", format="jpeg").get()
    paths = [links.picture_path(ready, "thumb"), links.rendition_path(ready, row)]
    missing = Client().get("/i/00000000-0000-0000-0000-000000000000/thumb")
    switch(owner, active=False)
    for path in paths:
        hidden = Client().get(path)
        assert hidden.status_code == 404
        assert "public" not in hidden.headers.get("Cache-Control", "")
        shown = admin_client.get(path)
        assert shown.status_code == 200
        assert "public" not in shown.headers["Cache-Control"]
    assert Client().get(paths[0]).content == missing.content
    switch(owner, active=True)
    assert [Client().get(path).status_code for path in paths] == [200, 200]


def test_private_links_rest(owner: User, ready: Upload) -> None:
    services.update_upload(upload=ready, visibility=Upload.Visibility.PRIVATE)
    path = links.picture_path(ready, "thumb", token=private_links.make(upload=ready).token)
    switch(owner, active=False)
    assert Client().get(path).status_code == 404
    switch(owner, active=True)
    assert Client().get(path).status_code == 200


def test_other_owners_of_the_same_bytes_keep_theirs(owner: User, stranger: User, send: Send) -> None:
    send()
    upload = send(by=stranger)
    render(upload)
    switch(owner, active=False)
    assert Client().get(links.picture_path(upload, "thumb")).status_code == 200


def test_event_stream_ends(owner: User, send: Send) -> None:
    upload = send()
    event = Event.objects.get()

    async def test() -> list[str]:
        blocks = []
        async for block in follow(owner_id=owner.pk, after=event.pk - 1):
            blocks.append(block)
            if "upload.received" in block:
                await sync_to_async(_suspend_and_announce)(upload)
        return blocks

    blocks = asyncio.run(asyncio.wait_for(test(), 20))
    assert len(blocks) == 2
    assert not any("upload.ready" in block for block in blocks)


def _suspend_and_announce(upload: Upload) -> None:
    switch(upload.owner, active=False)
    announce(upload, Event.Name.READY)
    connections.close_all()


def test_the_admin_wakes_the_streams(
    admin_client: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(wakeups, "tell", told.append)
    act(admin_client, "suspend", owner)
    assert told == [owner.pk]


def test_notices_and_webhooks_rest(owner: User, ready: Upload, settings: Any) -> None:
    preferences.choose_email(person=owner, choice="each")
    endpoints.add(owner=owner, url="https://example.com/")
    Event.objects.filter(name="upload.failed").delete()
    switch(owner, active=False)
    announce(ready, Event.Name.FAILED, code="unreadable_image", detail="It is damaged.")
    waiting = Delivery.objects.filter(event__name="upload.failed", delivered_at=None)
    channels = set(waiting.values_list("channel", flat=True))
    assert channels == {"email", "webhook"}
    for delivery in waiting:
        schedule.deliver(str(delivery.pk))
    assert set(waiting.values_list("attempts", "queued_at")) == {(0, None)}
    assert not schedule.due().filter(pk__in=waiting).exists()
    assert mail.outbox == []

    switch(owner, active=True)
    assert set(schedule.due().values_list("channel", flat=True)) >= channels
    schedule.deliver(str(waiting.get(channel="email").pk))
    assert len(mail.outbox) == 1


def test_held_emails_rest(owner: User, ready: Upload) -> None:
    assert Delivery.objects.filter(channel="email", next_attempt_at=None).exists()
    long_ago = ready.created_at.replace(year=2020)
    Delivery.objects.update(created_at=long_ago)
    switch(owner, active=False)
    assert email.gather() == 0
    switch(owner, active=True)
    assert email.gather() == 1
