"""Scopes: every request that each of them covers, and every one that it does not."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern
from rest_framework.test import APIClient

from tests.conftest import MakeImage, Send, key_of
from uploads import services
from uploads.api import urls
from uploads.api.authentication import InScope
from uploads.models import Token, Upload
from uploads.notices import endpoints
from uploads.serving import private_links

pytestmark = [pytest.mark.django_db, pytest.mark.any_database, pytest.mark.usefixtures("started")]

# The description of the API is public, and the last pattern is the answer to unknown paths.
OPEN = {"schema", "docs", None}
UPLOAD_PATH, WEBHOOK_PATH = "/api/uploads/{upload}/", "/api/webhooks/{webhook}/"
READ = [
    ("get", "/api/uploads/"),
    ("head", "/api/uploads/"),
    ("get", UPLOAD_PATH),
    ("get", f"{UPLOAD_PATH}links/"),
    ("get", "/api/notices/"),
    ("get", "/api/settings/"),
    ("get", "/api/quota/"),
    ("get", "/api/tokens/"),
    ("get", "/api/webhooks/"),
    ("get", WEBHOOK_PATH),
    ("get", f"{WEBHOOK_PATH}deliveries/"),
]
WRITE = [
    ("patch", UPLOAD_PATH),
    ("delete", UPLOAD_PATH),
    ("post", f"{UPLOAD_PATH}reprocess/"),
    ("post", f"{UPLOAD_PATH}restore/"),
    ("post", f"{UPLOAD_PATH}links/"),
    ("delete", f"{UPLOAD_PATH}links/"),
    ("delete", f"{UPLOAD_PATH}links/{{link}}/"),
    ("post", "/api/notices/read/"),
    ("patch", "/api/settings/"),
    ("post", "/api/tokens/"),
    ("delete", "/api/tokens/{token}/"),
    ("post", "/api/webhooks/"),
    ("patch", WEBHOOK_PATH),
    ("delete", WEBHOOK_PATH),
    ("post", f"{WEBHOOK_PATH}test/"),
    ("post", f"{WEBHOOK_PATH}rotate/"),
]


@pytest.fixture
def ids(owner: User, send: Send) -> dict[str, str]:
    key_of(owner)
    upload = send()
    services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
    return {
        "upload": str(upload.pk),
        "link": str(private_links.make(upload=upload).link.pk),
        "webhook": str(endpoints.add(owner=owner, url="https://example.com/").pk),
        "token": str(Token.objects.get().pk),
    }


@pytest.fixture
def ask(ids: dict[str, str], owner: User) -> Callable[..., Any]:
    """Return a function that makes a request with a token of a scope."""

    def ask(scope: str, verb: str, path: str) -> Any:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {key_of(owner, scope)}")
        return getattr(client, verb)(
            path.format(**ids), {}, format=None if verb in ("get", "head") else "json"
        )

    return ask


def assert_scope_missing(answer: Any, needed: str) -> None:
    assert answer.status_code == 403
    if answer.content:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "scope_missing"
        assert f"needs a token with the scope {needed}." in answer.json()["detail"]


def test_every_view_of_the_api_enforces_scopes() -> None:
    views = {row.name: row.callback for row in urls.urlpatterns if isinstance(row, URLPattern)}
    assert len(views) > 15
    for name in views.keys() - OPEN:
        assert InScope in vars(views[name])["cls"].permission_classes, name


@pytest.mark.parametrize("scope", ["read", "all"])
@pytest.mark.parametrize(("verb", "path"), READ)
def test_scopes_read_and_all_cover_reading(ask: Callable[..., Any], scope: str, verb: str, path: str) -> None:
    assert ask(scope, verb, path).status_code == 200


@pytest.mark.parametrize(("verb", "path"), WRITE)
def test_only_the_scope_all_covers_changes(ask: Callable[..., Any], verb: str, path: str) -> None:
    for scope in ("read", "upload"):
        assert_scope_missing(ask(scope, verb, path), "all")
    assert ask("all", verb, path).status_code in (200, 201, 202, 204, 400)


@pytest.mark.parametrize(
    ("verb", "path"), [row for row in READ if row[1] not in ("/api/uploads/", UPLOAD_PATH)]
)
def test_scope_upload_covers_no_other_reading(ask: Callable[..., Any], verb: str, path: str) -> None:
    assert_scope_missing(ask("upload", verb, path), "read")


@pytest.mark.parametrize("scope", ["upload", "read"])
def test_event_stream_needs_the_scope_read(ask: Callable[..., Any], scope: str) -> None:
    answer = ask(scope, "get", "/api/events/?last_event_id=nothing")
    if scope == "upload":
        assert_scope_missing(answer, "read")
    else:
        assert answer.status_code == 400


def post(client: APIClient, data: bytes) -> Any:
    return client.post("/api/uploads/", {"file": SimpleUploadedFile("a.jpg", data)}, format="multipart")


def test_scope_read_covers_no_upload(owner: User, make_image: MakeImage) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {key_of(owner, 'read')}")
    assert_scope_missing(post(client, make_image()), "upload")
    assert not Upload.objects.exists()


def test_upload_token_reads_only_the_images_that_it_sent(
    owner: User, send: Send, make_image: MakeImage
) -> None:
    other = send(make_image(seed=1))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {key_of(owner, 'upload')}")
    sent = post(client, make_image(seed=2))
    assert sent.status_code == 201
    assert client.get(sent.json()["url"]).json()["status"] == "pending"
    assert [row["id"] for row in client.get("/api/uploads/").json()["results"]] == [sent.json()["id"]]
    missing = client.get(f"/api/uploads/{other.pk}/")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    # It has the same bytes, so it may see the upload that it is told of.
    again = post(client, make_image(seed=1))
    assert (again.status_code, again.json()["id"]) == (200, str(other.pk))
    assert client.get(f"/api/uploads/{other.pk}/").status_code == 200


def test_upload_token_does_not_read_the_images_of_another_token(owner: User, make_image: MakeImage) -> None:
    clients = [APIClient(), APIClient()]
    for client in clients:
        client.credentials(HTTP_AUTHORIZATION=f"Token {key_of(owner, 'upload')}")
    url = post(clients[0], make_image()).json()["url"]
    assert [client.get(url).status_code for client in clients] == [200, 404]


def test_webhook_secrets_need_the_scope_all(ask: Callable[..., Any]) -> None:
    assert ask("read", "get", WEBHOOK_PATH).json()["secrets"] == []
    assert ask("read", "get", "/api/webhooks/").json()["results"][0]["secrets"] == []
    assert len(ask("all", "get", WEBHOOK_PATH).json()["secrets"]) == 1


def test_list_of_private_links_shows_no_url(ask: Callable[..., Any]) -> None:
    (link,) = ask("read", "get", f"{UPLOAD_PATH}links/").json()["results"]
    assert link.keys() == {"id", "preset", "created_at", "expires_at"}


def test_session_has_no_scope(client: Client, owner: User, ids: dict[str, str]) -> None:
    client.force_login(owner)
    assert client.delete("/api/uploads/{upload}/".format(**ids)).status_code == 204
    assert len(client.get(WEBHOOK_PATH.format(**ids)).json()["secrets"]) == 1
