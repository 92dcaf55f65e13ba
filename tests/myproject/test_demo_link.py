"""manage.py demo_link: one click signs the demo user in."""

import time
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from sesame.utils import get_query_string

from tests.threads import at_once

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.any_database,
    pytest.mark.filterwarnings("ignore:No directory at"),
]


def demo_link() -> str:
    output = StringIO()
    call_command("demo_link", stdout=output)
    return output.getvalue().strip()


def path_of(link: str) -> str:
    return link.removeprefix(settings.SITE_URL)


def is_signed_in_by(path: str) -> bool:
    client = Client()
    client.get(path)
    return "_auth_user_id" in client.session


@pytest.mark.usefixtures("demo")
def test_the_demo_person_is_staff_without_a_password() -> None:
    demo_link()
    person = User.objects.get(username="demo")
    assert person.is_staff
    assert person.is_superuser
    assert not person.has_usable_password()


@pytest.mark.usefixtures("demo")
def test_a_second_link_is_for_the_same_person() -> None:
    demo_link()
    demo_link()
    assert User.objects.count() == 1


@pytest.mark.usefixtures("demo")
def test_an_account_of_that_name_gets_no_rights() -> None:
    User.objects.create_user("demo", password="correct horse")
    demo_link()
    person = User.objects.get(username="demo")
    assert not person.is_superuser
    assert person.has_usable_password()


@pytest.mark.usefixtures("demo")
def test_the_link_signs_in_once() -> None:
    link = demo_link()
    assert link.startswith(f"{settings.SITE_URL}/accounts/link/?sesame=")
    assert is_signed_in_by(path_of(link))
    assert not is_signed_in_by(path_of(link))
    assert is_signed_in_by(path_of(demo_link()))


@pytest.mark.usefixtures("demo")
@pytest.mark.django_db(transaction=True)
def test_two_who_open_a_link_at_the_same_time_are_not_both_signed_in() -> None:
    path = path_of(demo_link())
    signed_in = at_once(*[lambda: is_signed_in_by(path)] * 4)
    assert sorted(signed_in) == [False, False, False, True]


@pytest.mark.usefixtures("demo")
def test_the_link_works_for_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    path, clock = path_of(demo_link()), time.time
    with monkeypatch.context() as later:
        later.setattr("sesame.tokens_v2.time.time", lambda: clock() + 601)
        assert not is_signed_in_by(path)
    assert is_signed_in_by(path)


def test_a_site_without_the_demo_has_no_link(client: Client) -> None:
    person = User.objects.create_superuser("root")
    with pytest.raises(CommandError, match="no demo"):
        demo_link()
    assert not User.objects.filter(username="demo").exists()
    assert client.get("/accounts/link/" + get_query_string(person)).status_code == 404
    assert "_auth_user_id" not in client.session


@pytest.mark.usefixtures("demo")
def test_a_session_of_the_demo_ends_with_the_demo(client: Client, settings: Any) -> None:
    client.get(path_of(demo_link()))
    assert client.get("/account/").status_code == 200
    settings.AUTHENTICATION_BACKENDS = settings.AUTHENTICATION_BACKENDS[:-1]
    assert client.get("/account/").status_code == 302
