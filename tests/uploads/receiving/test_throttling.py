"""Attempts to sign in, sign up or reset a password are counted by address and by login."""

from typing import Any

import pytest
from allauth.core import context, ratelimit
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client, RequestFactory

from tests.threads import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.any_database, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    cache.clear()


def sign_in(client: Client, *, login: str = "ada", password: str = "wrong", **options: Any) -> Any:
    return client.post("/accounts/login/", {"login": login, "password": password}, **options)


def assert_refused(answer: Any, *, seconds: str) -> None:
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == seconds
    assert "<h1>Too many attempts</h1>" in answer.content.decode()


def test_five_wrong_passwords_lock_a_login_in_one_network_only(client: Client, owner: User) -> None:
    for _ in range(5):
        assert sign_in(client, REMOTE_ADDR="192.0.2.66").status_code == 200
    assert_refused(sign_in(client, password="correct horse", REMOTE_ADDR="192.0.2.66"), seconds="300")
    assert "_auth_user_id" not in client.session
    # The owner is in another network, which the attacker cannot lock.
    assert sign_in(client, password="correct horse", REMOTE_ADDR="192.0.2.9").status_code == 302


def test_ipv6_addresses_of_a_household_are_counted_together(client: Client, owner: User) -> None:
    for number in range(5):
        assert sign_in(client, REMOTE_ADDR=f"2001:db8::{number}").status_code == 200
    assert_refused(sign_in(client, REMOTE_ADDR="2001:db8::ffff"), seconds="300")


def guess_from_many_networks(login: str = "ada", *, times: int = 101) -> list[int]:
    """Guess a password, each time from another network, and return the statuses."""
    addresses = [f"198.51.100.{number}" for number in range(times)]
    return [sign_in(Client(), login=login, REMOTE_ADDR=address).status_code for address in addresses]


def test_attack_from_many_networks_is_bounded_and_locks_no_network_of_the_owner(owner: User) -> None:
    User.objects.create_user("without-an-address")
    assert sign_in(Client(), password="correct horse", REMOTE_ADDR="192.0.2.9").status_code == 302
    assert guess_from_many_networks() == [200] * 100 + [429]
    unknown = sign_in(Client(), password="correct horse", REMOTE_ADDR="203.0.113.7")
    assert_refused(unknown, seconds="3600")
    assert sign_in(Client(), password="correct horse", REMOTE_ADDR="192.0.2.9").status_code == 302


@pytest.fixture
def ten_elsewhere(settings: Any) -> None:
    """Allow ten attempts from unknown networks instead of a hundred."""
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "login_failed_elsewhere": "10/h/key"}


@pytest.mark.usefixtures("owner", "stranger", "ten_elsewhere")
def test_network_of_one_person_is_unknown_to_another() -> None:
    assert sign_in(Client(), password="correct horse", REMOTE_ADDR="192.0.2.9").status_code == 302
    assert guess_from_many_networks("bob", times=11) == [200] * 10 + [429]
    assert sign_in(Client(), login="bob", REMOTE_ADDR="192.0.2.9").status_code == 429


@pytest.mark.usefixtures("ten_elsewhere")
def test_user_name_like_the_address_of_another_person_opens_no_network(owner: User) -> None:
    """The attacker signs in under the owner's address as a user name, so that the network seems known."""
    User.objects.create_user(owner.email, password="of the attacker")
    attacker = {"login": owner.email, "REMOTE_ADDR": "203.0.113.7"}
    assert sign_in(Client(), password="of the attacker", **attacker).status_code == 302
    assert guess_from_many_networks(owner.email, times=11) == [200] * 10 + [429]
    assert sign_in(Client(), **attacker).status_code == 429


def test_ten_failures_lock_an_address_despite_forged_headers(client: Client, owner: User) -> None:
    """The web server sets the client's address. The client controls only the header."""
    for number in range(10):
        headers = {"x-forwarded-for": f"192.0.2.{number}"}
        assert sign_in(client, login=f"person-{number}", headers=headers).status_code == 200
    headers = {"x-forwarded-for": "192.0.2.99", "x-real-ip": "192.0.2.99"}
    assert_refused(sign_in(client, login="another", headers=headers), seconds="300")
    assert sign_in(client, password="correct horse", REMOTE_ADDR="192.0.2.9").status_code == 302


def test_successful_sign_in_is_not_counted(client: Client, owner: User) -> None:
    for _ in range(7):
        assert sign_in(client, password="correct horse").status_code == 302
        client.logout()


def test_sign_ups_are_limited_per_address(client: Client) -> None:
    answers = [client.post("/accounts/signup/", {}) for _ in range(21)]
    assert {answer.status_code for answer in answers[:20]} == {200}
    assert_refused(answers[20], seconds="60")


def test_password_reset_mails_are_limited(client: Client) -> None:
    answers = [client.post("/accounts/password/reset/", {"email": "a@example.com"}) for _ in range(6)]
    assert_refused(answers[5], seconds="60")


def test_admin_has_no_separate_sign_in_form(client: Client) -> None:
    for ask in (client.get, client.post):
        answer = ask("/admin/login/", {"username": "ada", "password": "x"})
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/?next=")


def test_refusal_is_translated(client: Client) -> None:
    headers = {"Accept-Language": "de"}
    answer = [sign_in(client, headers=headers) for _ in range(6)][-1]
    assert "Zu viele Versuche" in answer.content.decode()


def test_concurrent_attempts_are_counted() -> None:
    """Concurrent attempts are counted too, because the count is in Redis under a lock."""
    request = RequestFactory().post("/")

    def attempt() -> bool:
        with context.request_context(request):
            return bool(ratelimit.consume(request, action="login_failed", key="ada"))

    assert sum(at_once(*[attempt] * 20)) == 5
