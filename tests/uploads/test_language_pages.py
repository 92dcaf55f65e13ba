import pytest
from django.contrib.auth.models import User
from django.test import Client

from uploads import preferences

pytestmark = pytest.mark.any_database


def choose(client: Client, language: str, **more: str) -> str:
    """Choose a language as the footer does; return where that leads."""
    answer = client.post("/i18n/setlang/", {"language": language, **more})
    assert answer.status_code == 302
    return answer.headers["Location"]


def test_every_page_offers_the_languages_without_a_script(client: Client, db: None) -> None:
    page = client.get("/accounts/login/?next=/account/").content.decode()
    assert '<button class="link" name="language" value="de" lang="de">Deutsch</button>' in page
    assert 'value="en" lang="en" aria-current="true">English</button>' in page
    assert '<input type="hidden" name="next" value="/accounts/login/?next=/account/">' in page


def test_a_language_is_named_in_itself(client: Client, db: None) -> None:
    page = client.get("/accounts/login/", headers={"Accept-Language": "de"}).content.decode()
    assert 'value="de" lang="de" aria-current="true">Deutsch</button>' in page
    assert 'value="en" lang="en">English</button>' in page


def test_a_language_is_chosen_and_stays(client: Client, db: None) -> None:
    assert choose(client, "de", next="/accounts/login/?x=1") == "/accounts/login/?x=1"
    assert client.cookies["django_language"]["max-age"] == 365 * 24 * 3600
    assert "Anmelden" in client.get("/accounts/login/").content.decode()


def test_nobody_is_led_to_another_site(client: Client, db: None) -> None:
    assert choose(client, "de", next="https://elsewhere.example/") == "/"


def test_a_person_is_written_to_in_the_language_that_they_choose(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert preferences.language_of(owner) == "en"
    choose(client, "de")
    assert preferences.language_of(owner) == "de"
    choose(client, "en")
    assert preferences.language_of(owner) == "en"


@pytest.mark.parametrize("language", ["fr", "", "de-AT", "x" * 100])
def test_what_is_no_language_of_ours_is_not_noted(client: Client, owner: User, language: str) -> None:
    client.force_login(owner)
    choose(client, language)
    assert preferences.language_of(owner) == "en"


def test_a_choice_needs_a_form_of_ours(db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post("/i18n/setlang/", {"language": "de"}).status_code == 403
    assert client.get("/i18n/setlang/").status_code in (403, 405)
