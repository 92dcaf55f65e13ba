"""The tokens on the account page."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client

from tests.conftest import key_of
from tests.pages import in_one_line, told
from uploads.models import Token
from uploads.tokens import issuing

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

SENT = {"name": "The shop", "scope": "upload", "days": "30"}


def key_on(answer: Any) -> str:
    found = re.search(r"<code>([0-9a-f]{40})</code>", answer.content.decode())
    return found[1] if found else ""


def test_new_token_shows_its_key_once(signed_in: Client, person: User, stopped_clock: datetime) -> None:
    assert "You have no token yet." in signed_in.get("/account/").content.decode()
    answer = signed_in.post("/account/", SENT)
    key = key_on(answer)
    token = issuing.find(key)
    assert token is not None
    assert (token.owner, token.name, token.scope) == (person, "The shop", "upload")
    assert token.expires_at == stopped_clock + timedelta(days=30)
    assert "no-store" in answer["Cache-Control"]
    assert "Token created. Copy its key now." in answer.content.decode()
    later = signed_in.get("/account/").content.decode()
    assert key not in later
    assert "The shop" in later
    assert f"{key[:8]}…" in later
    assert not any(key in str(list(model._base_manager.values())) for model in apps.get_models())


def test_token_without_an_expiry_is_created(signed_in: Client) -> None:
    signed_in.post("/account/", {**SENT, "days": "0"})
    assert Token.objects.get().expires_at is None


@pytest.mark.parametrize("wrong", [{"name": " "}, {"name": "x" * 101}, {"scope": "admin"}, {"days": "1000"}])
def test_invalid_field_has_an_error(signed_in: Client, wrong: dict[str, str]) -> None:
    answer = signed_in.post("/account/", {**SENT, **wrong})
    assert answer.status_code == 400
    assert "errorlist" in answer.content.decode()
    assert not Token.objects.exists()
    assert signed_in.post("/account/").status_code == 400


def test_full_list_of_tokens_has_an_error(signed_in: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuing, "LIMIT", 1)
    signed_in.post("/account/", SENT)
    answer = signed_in.post("/account/", SENT)
    assert "You have reached the limit of 1 tokens. Revoke one first." in answer.content.decode()
    assert Token.objects.count() == 1


def test_name_is_escaped(signed_in: Client) -> None:
    for answer in (signed_in.post("/account/", {**SENT, "name": "<b>x</b>"}), signed_in.get("/account/")):
        assert "&lt;b&gt;x&lt;/b&gt;" in answer.content.decode()
        assert "<b>x</b>" not in answer.content.decode()


def test_one_token_is_revoked(signed_in: Client, person: User) -> None:
    gone, kept = key_of(person), key_of(person)
    pk = Token.objects.get(prefix=gone[:8]).pk
    assert f'action="/account/tokens/{pk}/revoke"' in in_one_line(signed_in.get("/account/"))
    answer = signed_in.post(f"/account/tokens/{pk}/revoke")
    assert (answer["Location"], told(answer)) == ("/account/", ["Token revoked."])
    assert [token.prefix for token in issuing.tokens_of(person)] == [kept[:8]]
    assert signed_in.post(f"/account/tokens/{pk}/revoke").status_code == 404


def test_all_tokens_are_revoked(signed_in: Client, person: User, stranger: User) -> None:
    for one in (person, person, stranger):
        key_of(one)
    answer = signed_in.post("/account/tokens/revoke")
    assert (answer["Location"], told(answer)) == ("/account/", ["All tokens revoked."])
    assert not issuing.tokens_of(person).exists()
    assert issuing.tokens_of(stranger).exists()


def test_token_of_another_person_is_not_found(signed_in: Client, stranger: User) -> None:
    key_of(stranger)
    assert signed_in.post(f"/account/tokens/{Token.objects.get().pk}/revoke").status_code == 404
    assert issuing.tokens_of(stranger).exists()


def test_page_explains_how_to_replace_a_lost_key(signed_in: Client) -> None:
    assert "If a key is lost, revoke its token" in in_one_line(signed_in.get("/account/"))
