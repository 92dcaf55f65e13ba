"""manage.py demo_link: one click signs the demo user in."""

from io import StringIO

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def demo_link() -> str:
    output = StringIO()
    call_command("demo_link", stdout=output)
    return output.getvalue().strip()


def test_demo_user_is_staff_without_a_password() -> None:
    demo_link()
    person = User.objects.get(username="demo")
    assert person.is_staff
    assert person.is_superuser
    assert not person.has_usable_password()


def test_second_link_is_for_the_same_user() -> None:
    demo_link()
    demo_link()
    assert User.objects.count() == 1


def test_existing_account_gets_no_permissions() -> None:
    User.objects.create_user("demo", password="correct horse")
    demo_link()
    person = User.objects.get(username="demo")
    assert not person.is_superuser
    assert person.has_usable_password()


@pytest.mark.filterwarnings("ignore:No directory at")
def test_demo_link_signs_in(client: Client) -> None:
    link = demo_link()
    assert link.startswith(f"{settings.SITE_URL}/accounts/link/?sesame=")
    client.get(link.removeprefix(settings.SITE_URL))
    assert "_auth_user_id" in client.session
