import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.conftest import Send
from tests.pages import in_one_line, make_rendition, make_upload
from uploads.notices import preferences
from uploads.pages.language import WITHOUT_WORDS

pytestmark = pytest.mark.any_database

GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


def language_in(page: str) -> str:
    return "de" if '<html lang="de"' in page else "en" if '<html lang="en"' in page else "?"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de", "de"),
        ("de-AT,de;q=0.9", "de"),
        ("en-GB,de;q=0.5", "en"),
        ("fr", "en"),
        ("", "en"),
        ("fr,de", "de"),
    ],
)
def test_language_follows_the_accept_language_header(
    client: Client, db: None, header: str, language: str
) -> None:
    page = client.get("/accounts/login/", headers={"Accept-Language": header})
    assert language_in(page.content.decode()) == language
    assert page.headers["Content-Language"] == language
    assert "Accept-Language" in page.headers["Vary"]


@pytest.mark.parametrize(("cookie", "language"), [("en", "en"), ("de", "de"), ("fr", "de"), ("../x", "de")])
def test_chosen_language_takes_precedence_over_the_header(
    client: Client, db: None, cookie: str, language: str
) -> None:
    client.cookies["django_language"] = cookie
    assert language_in(client.get("/accounts/login/", headers=GERMAN).content.decode()) == language


def test_placeholder_does_not_vary_by_language(client: Client, owner: User) -> None:
    upload = make_upload(owner, status="pending")
    answer = client.get(f"/i/{upload.pk}/small", headers=GERMAN)
    assert answer.headers["Vary"] == "Accept"
    assert "Content-Language" not in answer.headers


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/favicon.ico", "/i/{id}/small.webp", "/{key}"])
def test_response_without_text_does_not_vary_by_language(client: Client, owner: User, path: str) -> None:
    upload = make_upload(owner, status="ready", ready_at=timezone.now())
    row = make_rendition(upload, preset="small", width=320)
    answer = client.get(path.format(id=upload.pk, key=row.key), headers=GERMAN)
    assert "Accept-Language" not in answer.headers.get("Vary", "")
    assert "Content-Language" not in answer.headers


def test_original_does_not_vary_by_language(client: Client, owner: User, send: Send) -> None:
    client.force_login(owner)
    answer = client.head(f"/uploads/{send().pk}/original", headers=GERMAN)
    assert answer.status_code == 200
    assert "Accept-Language" not in answer.headers["Vary"]


@pytest.mark.parametrize("name", sorted(WITHOUT_WORDS))
def test_names_of_views_without_text_exist(name: str) -> None:
    arguments = {
        "uploads:picture": {"upload_id": "00000000-0000-0000-0000-000000000000", "name": "small"},
        "uploads:rendition": {"path": "x"},
        "uploads:original": {"upload_id": "00000000-0000-0000-0000-000000000000"},
    }
    assert reverse(name, kwargs=arguments.get(name))


class TestApi:
    def test_detail_is_translated_and_code_is_not(self, client: Client, db: None) -> None:
        english, german = client.get("/api/nothing/"), client.get("/api/nothing/", headers=GERMAN)
        assert english.json()["detail"] == "Nothing exists at this URL."
        assert german.json()["detail"] == "Unter dieser URL gibt es nichts."
        assert english.json()["code"] == german.json()["code"] == "not_found"

    def test_refusal_is_in_the_language_of_the_page(self, client: Client, owner: User) -> None:
        client.force_login(owner)
        client.cookies["django_language"] = "de"
        with open(__file__, "rb") as file:
            answer = client.post("/api/uploads/", {"file": file})
        assert answer.json()["code"] == "unsupported_format"
        assert "ist eine Textdatei. Bitte JPEG, PNG" in answer.json()["detail"]
        assert answer.json()["detail"].startswith("test_language.py")

    def test_stored_failure_is_translated_by_its_code(self, client: Client, owner: User) -> None:
        upload = make_upload(
            owner, status="failed", error_code="unreadable_image", error_detail="sea.png is damaged."
        )
        client.force_login(owner)
        path = f"/api/uploads/{upload.pk}/"
        assert client.get(path).json()["error"]["detail"] == "sea.png is damaged."
        german = client.get(path, headers=GERMAN).json()["error"]
        assert german["code"] == "unreadable_image"
        assert german["detail"].startswith("Die Datei ist beschädigt oder unvollständig")


def choose(client: Client, language: str, **more: str) -> str:
    """Choose a language as the footer does. Return the redirect's URL."""
    answer = client.post("/i18n/setlang/", {"language": language, **more})
    assert answer.status_code == 302
    return answer.headers["Location"]


def test_languages_are_offered_without_javascript(client: Client, db: None) -> None:
    page = in_one_line(client.get("/accounts/login/?next=/account/"))
    assert '<button class="link" name="language" value="de" lang="de">Deutsch</button>' in page
    assert 'value="en" lang="en" aria-current="true">English</button>' in page
    assert '<input type="hidden" name="next" value="/accounts/login/?next=/account/">' in page


def test_language_is_named_in_itself(client: Client, db: None) -> None:
    page = in_one_line(client.get("/accounts/login/", headers={"Accept-Language": "de"}))
    assert 'value="de" lang="de" aria-current="true">Deutsch</button>' in page
    assert 'value="en" lang="en">English</button>' in page


def test_chosen_language_is_kept_in_a_cookie(client: Client, db: None) -> None:
    assert choose(client, "de", next="/accounts/login/?x=1") == "/accounts/login/?x=1"
    assert client.cookies["django_language"]["max-age"] == 365 * 24 * 3600
    assert "Anmelden" in client.get("/accounts/login/").content.decode()


def test_language_form_does_not_redirect_to_another_site(client: Client, db: None) -> None:
    assert choose(client, "de", next="https://elsewhere.example/") == "/"


def test_chosen_language_is_saved_for_mail(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert preferences.language_of(owner) == "en"
    choose(client, "de")
    assert preferences.language_of(owner) == "de"
    choose(client, "en")
    assert preferences.language_of(owner) == "en"


@pytest.mark.parametrize("language", ["fr", "", "de-AT", "x" * 100])
def test_unknown_language_is_not_saved(client: Client, owner: User, language: str) -> None:
    client.force_login(owner)
    choose(client, language)
    assert preferences.language_of(owner) == "en"


def test_language_form_needs_a_csrf_token(db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post("/i18n/setlang/", {"language": "de"}).status_code == 403
    assert client.get("/i18n/setlang/").status_code in (403, 405)
