"""Tokens: only a digest is stored, and each is revoked alone or together with all others."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.utils import timezone

from tests.conftest import Send
from tests.threads import at_once
from uploads.models import Token
from uploads.tokens import issuing
from uploads.tokens.issuing import TooManyTokens
from uploads.tokens.keys import digest_of

pytestmark = pytest.mark.django_db


def issue(owner: User, scope: str = "all", **fields: Any) -> issuing.Issued:
    return issuing.issue(owner=owner, name="CI", scope=scope, **fields)


def live(issued: issuing.Issued) -> bool:
    return issuing.is_live(issued.token.pk)


def test_no_table_contains_the_key(owner: User) -> None:
    key = issue(owner).key
    assert len(key) == 40
    assert int(key, 16) >= 0
    assert issue(owner).key != key
    rows = [str(list(model._base_manager.values())) for model in apps.get_models()]
    assert any(digest_of(key) in row for row in rows)
    assert not any(key in row for row in rows)


def test_token_is_found_only_by_its_key(owner: User) -> None:
    issued = issue(owner)
    assert issuing.find(issued.key) == issued.token
    for wrong in (issued.key[:-1], issued.token.digest, issued.key.upper() + "g", "", "\x00", "é" * 50):
        assert issuing.find(wrong) is None


def test_revoked_token_is_found_but_not_listed(owner: User) -> None:
    kept, gone = issue(owner), issue(owner)
    issuing.revoke(gone.token)
    assert list(issuing.tokens_of(owner)) == [kept.token]
    found = issuing.find(gone.key)
    assert found is not None
    assert found.revoked_at is not None
    assert (live(kept), live(gone)) == (True, False)


def test_all_tokens_of_a_person_are_revoked_together(owner: User, stranger: User) -> None:
    mine, theirs = [issue(owner), issue(owner, "upload")], issue(stranger)
    assert issuing.revoke_tokens(owner) == 2
    assert [live(issued) for issued in [*mine, theirs]] == [False, False, True]
    assert issuing.revoke_tokens(owner) == 0


def test_revoking_twice_keeps_the_first_time(owner: User, stopped_clock: datetime) -> None:
    issued = issue(owner)
    before = stopped_clock - timedelta(days=1)
    Token.objects.update(revoked_at=before)
    issuing.revoke(issued.token)
    assert Token.objects.get().revoked_at == before


def test_token_is_live_until_it_expires(owner: User, stopped_clock: datetime) -> None:
    expired = issue(owner, expires_at=stopped_clock)
    lasting = issue(owner, expires_at=stopped_clock + timedelta(seconds=1))
    assert (expired.token.is_expired, lasting.token.is_expired) == (True, False)
    assert (live(expired), live(lasting)) == (False, True)


def test_disabled_person_has_no_live_token(owner: User) -> None:
    issued = issue(owner)
    User.objects.update(is_active=False)
    assert not live(issued)


def test_last_use_is_written_at_most_once_a_minute(
    owner: User, stopped_clock: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issue(owner).token
    seen = []
    for seconds in (0, 59, 60, 61):
        monkeypatch.setattr(
            timezone, "now", lambda seconds=seconds: stopped_clock + timedelta(seconds=seconds)
        )
        issuing.note_use(Token.objects.get(pk=token.pk))
        seen.append((Token.objects.get().last_used_at or stopped_clock) - stopped_clock)
    assert [moment.seconds for moment in seen] == [0, 0, 60, 60]


def test_number_of_tokens_is_limited(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuing, "LIMIT", 2)
    first = issuing.add(owner=owner, name="1", scope="read")
    issuing.add(owner=owner, name="2", scope="read")
    with pytest.raises(TooManyTokens, match="limit of 2 tokens"):
        issuing.add(owner=owner, name="3", scope="read")
    issuing.revoke(first.token)
    issuing.add(owner=owner, name="3", scope="read")


@pytest.mark.django_db(transaction=True)
def test_limit_holds_for_simultaneous_requests(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuing, "LIMIT", 2)

    def add() -> None:
        with suppress(TooManyTokens):
            issuing.add(owner=owner, name="CI", scope="read")

    at_once(add, add, add, add)
    assert Token.objects.count() == 2


def test_number_of_revoked_tokens_is_limited(
    owner: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuing, "_REVOKED_KEPT", 2)
    theirs = issue(stranger)
    issuing.revoke(theirs.token)
    for _ in range(5):
        issuing.revoke(issue(owner).token)
    issue(owner)
    assert Token.objects.filter(owner=owner, revoked_at__isnull=False).count() == 2
    assert issuing.find(theirs.key) == theirs.token


@pytest.mark.parametrize("scope", ["read", "upload", "all"])
def test_sent_uploads_are_recorded_only_for_the_scope_upload(owner: User, send: Send, scope: str) -> None:
    token, upload = issue(owner, scope).token, send()
    for _twice in range(2):
        issuing.note_sent(token, upload)
    assert list(token.sent.all()) == ([upload] if scope == "upload" else [])
