"""Tokens over the API: made, listed and revoked by their owner."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from tests.conftest import key_of
from uploads.models import Token
from uploads.tokens import issuing

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(owner: User) -> APIClient:
    """Return a client with a session, so that the only tokens are those that a test makes."""
    client = APIClient()
    client.force_login(owner)
    return client


def make(api: APIClient, **fields: Any) -> Any:
    return api.post("/api/tokens/", {"name": "The shop", **fields}, format="json")


def with_key(key: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {key}")
    return client


def test_new_token_shows_its_key_once(api: APIClient, owner: User) -> None:
    answer = make(api, scope="upload", expires_at="2100-01-01T00:00:00Z")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    body = answer.json()
    key = body.pop("key")
    token = Token.objects.get(owner=owner)
    assert body == {
        "id": str(token.pk),
        "name": "The shop",
        "scope": "upload",
        "prefix": key[:8],
        "created_at": body["created_at"],
        "expires_at": "2100-01-01T00:00:00Z",
        "last_used_at": None,
    }
    assert issuing.find(key) == token
    listed = api.get("/api/tokens/")
    assert listed.json() == {"next": None, "previous": None, "results": [body]}
    assert key not in listed.content.decode()


def test_token_reads_and_lasts_by_default(api: APIClient) -> None:
    body = make(api).json()
    assert (body["scope"], body["expires_at"]) == ("read", None)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "\x00"}, "name"),
        ({"name": None}, "name"),
        ({"scope": "admin"}, "scope"),
        ({"scope": None}, "scope"),
        ({"scope": ["read", "upload"]}, "scope"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
    ],
)
def test_invalid_field_is_refused(api: APIClient, fields: dict[str, Any], field: str) -> None:
    answer = make(api, **fields)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert list(answer.json()["errors"]) == [field]
    assert not Token.objects.exists()


def test_name_is_required(api: APIClient) -> None:
    assert list(api.post("/api/tokens/", {}, format="json").json()["errors"]) == ["name"]


def test_revoked_token_leaves_the_list(api: APIClient) -> None:
    body = make(api, scope="all").json()
    assert api.delete(f"/api/tokens/{body['id']}/").status_code == 204
    assert api.get("/api/tokens/").json()["results"] == []
    assert with_key(body["key"]).get("/api/uploads/").json()["code"] == "token_revoked"
    assert api.delete(f"/api/tokens/{body['id']}/").status_code == 404


def test_tokens_of_others_are_neither_listed_nor_revoked(api: APIClient, stranger: User) -> None:
    key = key_of(stranger)
    assert api.get("/api/tokens/").json()["results"] == []
    assert api.delete(f"/api/tokens/{Token.objects.get().pk}/").status_code == 404
    assert with_key(key).get("/api/uploads/").status_code == 200


def test_number_of_tokens_is_limited(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuing, "LIMIT", 1)
    make(api)
    answer = make(api)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_tokens")


@pytest.mark.parametrize("scope", ["read", "upload"])
def test_narrow_token_creates_no_token(owner: User, scope: str) -> None:
    answer = make(with_key(key_of(owner, scope)))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert Token.objects.count() == 1


def test_token_expires_with_the_token_that_created_it(owner: User, stopped_clock: datetime) -> None:
    ends_at = stopped_clock + timedelta(days=1)
    api = with_key(key_of(owner, expires_at=ends_at))
    sooner, later = ends_at - timedelta(hours=1), ends_at + timedelta(seconds=1)
    for sent, kept in (({}, ends_at), ({"expires_at": ends_at}, ends_at), ({"expires_at": sooner}, sooner)):
        made = make(api, **sent).json()
        assert Token.objects.get(pk=made["id"]).expires_at == kept
    answer = make(api, expires_at=later)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["expires_at"])


def test_session_needs_the_csrf_token(owner: User) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(owner)
    assert make(client).status_code == 403
    assert not Token.objects.exists()
