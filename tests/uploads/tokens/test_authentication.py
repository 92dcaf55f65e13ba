"""The header `Authorization: Token <key>`: each reason for a refusal has its own code."""

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from tests.conftest import key_of
from uploads.models import Token
from uploads.tokens import issuing

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def ask(authorization: str) -> Any:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=authorization)
    return client.get("/api/quota/")


def assert_refused(answer: Any, code: str) -> None:
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Token"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == code


@pytest.mark.parametrize("scheme", ["Token", "token"])
def test_key_signs_in_and_its_use_is_recorded(owner: User, scheme: str, stopped_clock: datetime) -> None:
    key = key_of(owner, "read")
    assert ask(f"{scheme} {key}").status_code == 200
    assert Token.objects.get().last_used_at == stopped_clock


@pytest.mark.parametrize(
    "value", ["Token", "Token a b", "Token \xff", "Token " + "0" * 40, "Token " + "x" * 9999]
)
def test_unknown_or_malformed_key_is_refused(owner: User, value: str) -> None:
    key_of(owner)
    assert_refused(ask(value), "authentication_failed")


def test_expired_token_is_refused(owner: User) -> None:
    assert_refused(ask(f"Token {key_of(owner, expires_at=timezone.now())}"), "token_expired")
    assert Token.objects.get().last_used_at is None


def test_revoked_token_is_refused(owner: User) -> None:
    key = key_of(owner)
    issuing.revoke(Token.objects.get())
    assert_refused(ask(f"Token {key}"), "token_revoked")


def test_token_of_a_disabled_account_is_refused(owner: User) -> None:
    key = key_of(owner)
    User.objects.update(is_active=False)
    assert_refused(ask(f"Token {key}"), "authentication_failed")


def test_reason_is_in_the_language_of_the_request(owner: User) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {key_of(owner, expires_at=timezone.now())}")
    answer = client.get("/api/quota/", headers={"Accept-Language": "de"})
    assert (
        answer.json()["detail"]
        == "Dieses Token ist abgelaufen. Bitte auf der Kontoseite ein neues erstellen."
    )
