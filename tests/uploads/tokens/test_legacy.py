"""Keys that Django REST framework stored in plain text stay valid, and are erased."""

from datetime import datetime, timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from rest_framework.authtoken.models import Token as PlainToken
from rest_framework.test import APIClient

from uploads.models import Token
from uploads.tokens import issuing, legacy

pytestmark = pytest.mark.django_db

migration: Any = import_module("uploads.migrations.0014_hash_tokens")


def migrate() -> None:
    migration.take_over(apps, SimpleNamespace(connection=connection))


def status_with(key: str) -> int:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {key}")
    return client.get("/api/uploads/").status_code


@pytest.fixture
def plain(owner: User) -> PlainToken:
    """Return a key that an older version has created."""
    return PlainToken.objects.create(user=owner)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an hour pass after the migration."""
    moment = timezone.now() + timedelta(hours=1, minutes=1)
    migrate()
    monkeypatch.setattr(timezone, "now", lambda: moment)


def test_migration_hashes_each_key_once(plain: PlainToken, stranger: User) -> None:
    other = PlainToken.objects.create(user=stranger)
    for _twice in range(2):
        migrate()
    assert Token.objects.count() == 2
    token = issuing.find(plain.key)
    assert token is not None
    assert (token.owner, token.scope, token.name) == (plain.user, "all", legacy.NAME)
    assert (token.created_at, token.prefix) == (plain.created, plain.key[:8])
    assert migration._NAME == legacy.NAME
    # Old code still finds the plain keys.
    assert {row.key for row in PlainToken.objects.all()} == {plain.key, other.key}


def test_existing_key_stays_valid_and_is_erased_an_hour_later(plain: PlainToken, later: None) -> None:
    assert status_with(plain.key) == 200
    for _twice in range(2):
        legacy.erase_plain_keys()
    assert not PlainToken.objects.exists()
    assert status_with(plain.key) == 200
    assert Token.objects.get().taken_over_at is None


def test_plain_key_stays_for_an_hour(plain: PlainToken) -> None:
    migrate()
    legacy.erase_plain_keys()
    assert PlainToken.objects.get() == plain
    assert Token.objects.get().taken_over_at is not None


def test_key_that_old_code_creates_after_the_migration_works(plain: PlainToken) -> None:
    assert status_with(plain.key) == 200
    assert Token.objects.get().taken_over_at is not None
    legacy.erase_plain_keys()
    assert status_with(plain.key) == 200


def test_unused_key_of_old_code_is_hashed(plain: PlainToken, stopped_clock: datetime) -> None:
    legacy.erase_plain_keys()
    Token.objects.update(taken_over_at=stopped_clock - timedelta(hours=2))
    legacy.erase_plain_keys()
    assert not PlainToken.objects.exists()
    assert issuing.find(plain.key) == Token.objects.get()


def test_key_that_old_code_has_replaced_is_revoked(plain: PlainToken, later: None) -> None:
    replaced = plain.key
    PlainToken.objects.filter(user=plain.user).delete()
    new = PlainToken.objects.create(user=plain.user)
    legacy.erase_plain_keys()
    assert status_with(replaced) == 401
    assert status_with(new.key) == 200


@pytest.mark.parametrize("migrated", [True, False])
@pytest.mark.parametrize("all_together", [True, False])
def test_revoked_key_is_erased_at_once_and_does_not_return(
    plain: PlainToken, migrated: bool, all_together: bool
) -> None:
    if migrated:
        migrate()
    if all_together:
        issuing.revoke_tokens(plain.user)
    else:
        token = issuing.find(plain.key)
        assert token is not None
        issuing.revoke(token)
    assert not PlainToken.objects.exists()
    assert status_with(plain.key) == 401
    Token.objects.all().delete()
    assert status_with(plain.key) == 401


def test_revoking_another_token_keeps_the_plain_key(plain: PlainToken) -> None:
    migrate()
    issuing.revoke(issuing.issue(owner=plain.user, name="CI", scope="all").token)
    assert status_with(plain.key) == 200


def test_tokens_of_another_project_stay_untouched(plain: PlainToken, settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "TAKE_OVER_TOKENS": False}
    migrate()
    assert status_with(plain.key) == 401
    legacy.erase_plain_keys()
    issuing.revoke_tokens(plain.user)
    assert PlainToken.objects.get() == plain
    assert not Token.objects.exists()
