"""Owners that are services: each has a key, no user, and a UUID as its primary key."""

import asyncio
from contextlib import aclosing
from hashlib import sha256
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client

from tests.uploads.owners.conftest import SendTo
from tests.uploads.owners.services.models import Service
from uploads import completion, services
from uploads.events.stream import follow
from uploads.models import Delivery, Upload
from uploads.notices import endpoints, schedule
from uploads.receiving import admission

pytestmark = pytest.mark.django_db(transaction=True)


def service(name: str) -> Service:
    return Service.objects.create(name=name, digest=sha256(name.encode()).hexdigest())


def client_of(owner: Service) -> Client:
    return Client(headers={"X-Service-Key": owner.name})


def scope_of(key: str) -> dict[str, Any]:
    """Return a request as the body guard sees it."""
    headers = [(b"x-service-key", key.encode()), (b"content-length", b"1000")]
    return {
        "type": "http", "method": "POST", "path": "/api/uploads/", "query_string": b"", "headers": headers,
        "client": ("192.0.2.1", 1), "server": ("testserver", 80),
    }  # fmt: skip


@pytest.fixture
def shop(db: None) -> Service:
    return service("shop")


@pytest.fixture
def blog(db: None) -> Service:
    return service("blog")


def test_models_migrations_and_rules_fit_together(db: None) -> None:
    assert [message for message in run_checks() if message.id != "darkroom.W002"] == []
    call_command("makemigrations", check=True, stdout=StringIO())


def test_service_sends_and_reads_its_own_images_only(shop: Service, blog: Service, send_to: SendTo) -> None:
    sent = send_to(client_of(shop))
    assert sent.status_code == 201
    path = f"/api/uploads/{sent.json()['id']}/"
    assert client_of(shop).get(path).status_code == 200
    assert client_of(blog).get(path).status_code == 404
    assert [len(client_of(one).get("/api/uploads/").json()["results"]) for one in (shop, blog)] == [1, 0]
    assert Upload.objects.get().owner == shop


def test_unknown_key_is_refused(shop: Service, send_to: SendTo) -> None:
    refused = send_to(Client(headers={"X-Service-Key": "guessed"}))
    assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")


def test_body_guard_knows_services(shop: Service) -> None:
    assert admission.refusal_of(scope_of("shop"), 1000) is None
    assert isinstance(admission.refusal_of(scope_of("guessed"), 1000), admission.NotSignedIn)


def test_private_image_is_shown_to_its_service(shop: Service, blog: Service, send_to: SendTo) -> None:
    send_to(client_of(shop), visibility="private")
    upload = Upload.objects.get()
    completion.run_here(upload)
    for path in (f"/i/{upload.pk}/thumb", f"/uploads/{upload.pk}/original"):
        statuses = [one.head(path).status_code for one in (client_of(shop), client_of(blog), Client())]
        assert statuses == [200, 404, 404]


def test_disabled_service_has_no_access_and_nothing_of_it_is_served(shop: Service, send_to: SendTo) -> None:
    upload = Upload.objects.get(pk=send_to(client_of(shop)).json()["id"])
    completion.run_here(upload)
    assert Client().get(f"/i/{upload.pk}/thumb").status_code == 200
    Service.objects.update(enabled=False)
    assert send_to(client_of(shop), seed=1).status_code == 401
    assert client_of(shop).get("/api/uploads/").status_code == 401
    assert Client().get(f"/i/{upload.pk}/thumb").status_code == 404


def test_own_limit_of_a_service_applies(shop: Service, send_to: SendTo) -> None:
    Service.objects.update(max_images=1)
    answers = [send_to(client_of(shop), seed=seed) for seed in range(2)]
    assert [answer.status_code for answer in answers] == [201, 507]
    assert answers[1].json()["code"] == "quota_exceeded"
    assert client_of(shop).get("/api/quota/").json()["images"] == {"used": 1, "limit": 1}


def test_service_has_notices_and_webhooks_but_no_email(shop: Service, send_to: SendTo) -> None:
    endpoints.add(owner=shop, url="https://shop.example/events")
    upload = Upload.objects.get(pk=send_to(client_of(shop)).json()["id"])
    completion.run_here(upload)
    assert client_of(shop).get("/api/notices/").json()["unread"] == 1
    channels = set(Delivery.objects.values_list("channel", flat=True))
    assert channels == {Delivery.Channel.IN_APP, Delivery.Channel.WEBHOOK}
    Delivery.objects.update(queued_at=None)
    assert schedule.due().exists()
    Service.objects.update(enabled=False)
    assert not schedule.due().exists()


def test_tokens_and_preferences_belong_to_people(shop: Service) -> None:
    for path in ("/api/tokens/", "/api/settings/"):
        assert client_of(shop).get(path).status_code == 401


def test_event_stream_follows_a_service(shop: Service, send_to: SendTo) -> None:
    def send() -> None:
        send_to(client_of(shop))
        connections.close_all()

    async def test() -> str:
        async with aclosing(follow(owner_id=shop.pk, after=0)) as stream:
            await anext(stream)
            coming = asyncio.ensure_future(anext(stream))
            await sync_to_async(send, thread_sensitive=False)()
            return await coming

    assert "upload.received" in asyncio.run(asyncio.wait_for(test(), 20))


def test_commands_find_a_service_by_its_name(shop: Service, send_to: SendTo) -> None:
    upload = Upload.objects.get(pk=send_to(client_of(shop)).json()["id"])
    call_command("reprocess", "--all", "--owner", "shop", "--sync", stdout=StringIO())
    upload.refresh_from_db()
    assert upload.status == Upload.Status.READY
    with pytest.raises(CommandError, match="There is no owner 'nothing'"):
        call_command("reprocess", "--all", "--owner", "nothing", stdout=StringIO())


def test_removed_service_leaves_nothing(shop: Service, blog: Service, send_to: SendTo) -> None:
    for one in (shop, blog):
        send_to(client_of(one))
    services.remove_person(person=shop)
    assert [upload.owner for upload in Upload.objects.all()] == [blog]
    assert not Service.objects.filter(name="shop").exists()


def test_admin_lists_the_images_of_services(shop: Service, send_to: SendTo, admin_client: Client) -> None:
    send_to(client_of(shop))
    page = admin_client.get("/admin/uploads/upload/?q=photo").content.decode()
    assert "shop" in page
    assert admin_client.get("/admin/uploads/quota/add/").status_code == 200
    assert admin_client.get("/status/").status_code == 200
