"""Owners that are visitors: they need not sign in, and the first image makes their row."""

import re
from io import StringIO
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import Client

from tests.uploads.owners.conftest import SendTo
from tests.uploads.owners.visitors.models import Visitor
from uploads import completion
from uploads.models import Delivery, Upload
from uploads.receiving import admission

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_client")]


def scope_of(cookie: str = "") -> dict[str, Any]:
    """Return a request as the body guard sees it."""
    headers = [(b"content-length", b"1000"), (b"cookie", cookie.encode())]
    return {
        "type": "http", "method": "POST", "path": "/api/uploads/", "query_string": b"", "headers": headers,
        "client": ("192.0.2.1", 1), "server": ("testserver", 80),
    }  # fmt: skip


def csrf_of(client: Client) -> str:
    """Return the token that the upload page contains."""
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get("/").content.decode())
    assert found is not None
    return found[1]


def test_models_migrations_and_rules_fit_together(db: None) -> None:
    assert [message for message in run_checks() if message.id != "darkroom.W002"] == []
    call_command("makemigrations", check=True, stdout=StringIO())


def test_looking_makes_neither_a_visitor_nor_a_session(db: None) -> None:
    page = Client().get("/")
    assert page.status_code == 200
    assert "data-events" not in page.content.decode()
    assert Client().get("/api/uploads/").status_code == 401
    assert Client().get("/notices/").status_code == 302
    assert not Visitor.objects.exists()
    assert not Session.objects.exists()


@pytest.mark.parametrize("path", ["/", "/api/uploads/"])
def test_first_image_makes_one_visitor(db: None, path: str, send_to: SendTo) -> None:
    client = Client()
    statuses = {send_to(client, path, seed=seed).status_code for seed in range(2)}
    assert statuses == ({302} if path == "/" else {201})
    visitor = Visitor.objects.get()
    assert {upload.owner for upload in Upload.objects.all()} == {visitor}
    page = client.get("/").content.decode()
    assert all(f"/uploads/{upload.pk}/" in page for upload in Upload.objects.all())
    assert 'data-events="/api/events/"' in page


def test_another_visitor_does_not_find_it(db: None, send_to: SendTo) -> None:
    mine, other = Client(), Client()
    sent = send_to(mine, visibility="private").json()
    completion.run_here(Upload.objects.get())
    send_to(other, seed=1)
    for path in (f"/api/uploads/{sent['id']}/", f"/uploads/{sent['id']}/", f"/i/{sent['id']}/thumb"):
        assert [client.get(path).status_code for client in (mine, other)] == [200, 404]
    assert Client().get(f"/api/uploads/{sent['id']}/").status_code == 401
    assert len(other.get("/api/uploads/").json()["results"]) == 1
    assert other.delete(f"/api/uploads/{sent['id']}/").status_code == 404
    assert mine.delete(f"/api/uploads/{sent['id']}/").status_code == 204


def test_forged_request_is_refused(db: None, send_to: SendTo) -> None:
    client = Client(enforce_csrf_checks=True)
    path = f"/api/uploads/{send_to(client).json()['id']}/"
    assert client.delete(path).status_code == 403
    assert send_to(client, seed=1).status_code == 403
    assert client.delete(path, headers={"X-CSRFToken": csrf_of(client)}).status_code == 204


def test_body_guard_admits_visitors_by_their_address(db: None, settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "UPLOADS_PER_ADDRESS": "2/hour"}
    refusals = [admission.refusal_of(scope_of(), 1000) for _ in range(3)]
    assert [refusal and refusal.code for refusal in refusals] == [None, None, "rate_limited"]
    assert not Visitor.objects.exists()


def test_visitor_has_a_quota(db: None, settings: Any, send_to: SendTo) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "QUOTA_IMAGES": 1}
    client = Client()
    assert [send_to(client, seed=seed).status_code for seed in range(2)] == [201, 507]
    assert send_to(Client()).status_code == 201


def test_notices_are_in_the_language_of_the_first_visit(db: None, send_to: SendTo) -> None:
    client = Client()
    send_to(client, headers={"Accept-Language": "de"})
    completion.run_here(Upload.objects.get())
    notice = Delivery.objects.get()
    assert (notice.channel, notice.subject) == (Delivery.Channel.IN_APP, "photo.jpg ist fertig")
    assert client.get("/notices/").status_code == 200


def test_account_pages_still_need_a_user(db: None, send_to: SendTo) -> None:
    client = Client()
    send_to(client)
    assert client.get("/account/").status_code == 302
    assert client.get("/api/tokens/").status_code == 401
