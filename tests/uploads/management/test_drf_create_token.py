"""`manage.py drf_create_token` prints a working key."""

import re
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from rest_framework.authtoken.models import Token as PlainToken
from rest_framework.test import APIClient

from uploads.models import Token

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    """Run the command, and return the key that it prints."""
    said = StringIO()
    call_command("drf_create_token", *arguments, stdout=said)
    found = re.fullmatch(r"Generated token ([0-9a-f]{40}) for user ada\n", said.getvalue())
    assert found is not None
    return found[1]


def status_with(key: str) -> int:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {key}")
    return client.get("/api/uploads/").status_code


def test_each_run_prints_a_new_valid_key(owner: User) -> None:
    keys = [run("ada") for _ in range(3)]
    assert [status_with(key) for key in keys] == [200] * 3
    assert set(Token.objects.values_list("owner__username", "name", "scope")) == {
        ("ada", "drf_create_token", "all")
    }
    assert not PlainToken.objects.exists()


@pytest.mark.parametrize("option", ["-r", "--reset"])
def test_reset_revokes_all_other_tokens_of_the_person(owner: User, option: str) -> None:
    old = [run("ada"), PlainToken.objects.create(user=owner).key]
    new = run(option, "ada")
    assert [status_with(key) for key in [*old, new]] == [401, 401, 200]


def test_unknown_name_is_an_error(db: None) -> None:
    with pytest.raises(CommandError, match="user ada does not exist"):
        run("ada")
