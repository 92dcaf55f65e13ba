"""Every page in German contains no English text of Darkroom or allauth."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import allauth
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deploy import translations
from processing.images.reading.refusals import UnreadableImage
from tests.pages import make_rendition, make_upload
from uploads import completion
from uploads.models import Endpoint, Event, Upload
from uploads.notices import endpoints, preferences, webhooks
from uploads.notices.announcements import announce
from uploads.pages import urls
from uploads.serving import private_links
from uploads.tokens import issuing

pytestmark = [pytest.mark.any_database, pytest.mark.slow]

English = list[re.Pattern[str]]

TEMPLATES = sorted((Path(settings.BASE_DIR) / "uploads" / "templates").rglob("*.html"))
ALLAUTH = Path(allauth.__file__).parent / "locale" / "de" / "LC_MESSAGES" / "django.po"
# The attributes that contain text for people.
ATTRIBUTES = {
    *("alt", "aria-label", "data-copied", "data-dismiss", "data-news", "data-reason", "placeholder", "title"),
}
BETWEEN = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}|<[^>]*>|[\n.:;,]")
# The parts of a template that are translated or are not text for people.
TRANSLATED = r"{% blocktranslate.*?{% endblocktranslate %}|{% block body_class %}.*?{% endblock %}|{#.*?#}"
# Words that are the same in every language.
NAMES = {"Darkroom", "s"}

PAGES = {
    *("home", "cards", "image", "notices", "latest_notices", "unread_notices"),
    *("account", "webhooks", "webhook", "status", "status_figures"),
}
ACTIONS = {
    *(
        "act_on_selected",
        "restore",
        "purge",
        "act_on_image",
        "replace",
        "read_notices",
        "choose_email",
        "choose_reports",
        "webhook_action",
    ),
    *("revoke_token", "revoke_tokens"),
    *("resend", "revoke_link", "set_language", "status_retry", "status_retry_all"),
}
OF_STRANGERS = (
    *("account_login", "account_signup", "account_reset_password", "account_reset_password_done"),
    *("account_inactive", "account_reset_password_from_key_done"),
)
OF_MEMBERS = ("account_logout", "account_change_password", "account_email")


class Words(HTMLParser):
    """Collects the text of a page that people read or hear."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tag, self.are_words = "", False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tag, self.are_words = tag, ("id", "words") in attributes
        self.found += [value for name, value in attributes if name in ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        self.tag = ""

    def handle_data(self, data: str) -> None:
        if self.tag == "script":
            self.found += json.loads(data).values() if self.are_words else []
        elif self.tag not in ("code", "style", "textarea"):
            self.found.append(data)


def words_of(page: str) -> str:
    parser = Words()
    parser.feed(page)
    return "\n".join(" ".join(text.split()) for text in parser.found)


def forms(text: Any) -> list[str]:
    return [str(form) for form in (text if isinstance(text, list | tuple) else [text])]


def pieces(text: str) -> Iterator[str]:
    """Yield the parts of a text between placeholders and punctuation that contain three letters in a row."""
    for piece in BETWEEN.split(text):
        words = " ".join(piece.split())
        if re.search(r"[a-zA-Z]{3}", words):
            yield words


@pytest.fixture(scope="module")
def english() -> English:
    """Return patterns of all English texts that differ in German."""
    catalogues = [translations.read_catalogue(path) for path in (*translations.CATALOGUES, ALLAUTH)]
    rows = [row for catalogue in catalogues for row in catalogue if row.id]
    german = "\n".join(form for row in rows for form in forms(row.string))
    said = {piece for row in rows for form in forms(row.id) for piece in pieces(form)}
    patterns = [re.compile(rf"(?<![\w./@-]){re.escape(piece)}(?![\w@-]|\.\w)") for piece in sorted(said)]
    return [pattern for pattern in patterns if not pattern.search(german)]


def left_over(page: str, english: English) -> list[str]:
    text = words_of(page)
    return [found[0] for pattern in english if (found := pattern.search(text))]


@pytest.fixture
def person(owner: User) -> User:
    """Return a person for whom every page has content."""
    preferences.choose_language(person=owner, language="de")
    now = timezone.now()
    for expires_at in (now, now + timedelta(days=1)):
        issuing.issue(owner=owner, name="Shop", scope="all", expires_at=expires_at)
    issuing.note_use(issuing.issue(owner=owner, name="x7", scope="upload").token)
    return owner


@pytest.fixture
def images(person: User) -> list[Upload]:
    now = timezone.now()
    ready = make_upload(person, filename="a.png", status="ready", thumbnails_ready_at=now, ready_at=now)
    for name, width in (("thumb", 256), ("small", 320), ("large", 1280)):
        make_rendition(ready, preset=name, width=width)
    announce(ready, Event.Name.READY)
    failed = make_upload(person, filename="b.png", visibility="private")
    completion.fail(failed, UnreadableImage("{name} is damaged or incomplete.", name="b.png"))
    waiting = make_upload(person, filename="c.png")
    return [ready, failed, waiting, make_upload(person, filename="d.png", status="processing")]


@pytest.fixture
def endpoint(person: User) -> Endpoint:
    """Return a webhook with deliveries of every kind. Add a failing and a disabled webhook."""
    endpoint = endpoints.add(owner=person, url="https://example.com/hook")
    endpoints.rotate(endpoint=endpoint)
    now = timezone.now()
    for outcome in ({"next_attempt_at": now + timedelta(hours=1)}, {"failed_at": now}, {"delivered_at": now}):
        event = Event.objects.create(owner=person, name=Event.Name.WEBHOOK_TEST)
        delivery = webhooks.create_delivery(event=event, endpoint=endpoint)
        endpoint.deliveries.filter(pk=delivery.pk).update(
            **{"attempts": 1, "next_attempt_at": None, **outcome}
        )
    for field in ("failing_since", "disabled_at"):
        other = endpoints.add(owner=person, url="https://example.com/other")
        Endpoint.objects.filter(pk=other.pk).update(**{field: now, "disabled_reason": "gone"})
    return endpoint


@pytest.fixture
def reader(client: Client, person: User) -> Client:
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "de"
    client.force_login(person)
    return client


def test_every_url_is_listed_as_page_or_action() -> None:
    names = {pattern.name for pattern in urls.urlpatterns}
    assert names == PAGES | ACTIONS


@pytest.mark.parametrize("name", sorted(PAGES))
def test_page_contains_no_english(
    reader: Client, images: list[Upload], endpoint: Endpoint, english: English, name: str
) -> None:
    User.objects.update(is_staff=True, is_superuser=True)
    of_cards = {"id": [str(upload.pk) for upload in images]}
    of_each = {"image": [[upload.pk] for upload in images], "webhook": [[endpoint.pk]]}
    for arguments in of_each.get(name, [[]]):
        answer = reader.get(reverse(f"uploads:{name}", args=arguments), of_cards)
        assert answer.status_code == 200
        assert left_over(answer.content.decode(), english) == []


def test_a_new_private_link_has_no_english(reader: Client, person: User, english: English) -> None:
    now = timezone.now()
    upload = make_upload(person, status="ready", visibility="private", thumbnails_ready_at=now, ready_at=now)
    make_rendition(upload, preset="large", width=1280, format="jpeg")
    for number in (1, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(private_links, "LIMIT", number)
            answer = reader.post(f"/uploads/{upload.pk}/")
        assert left_over(answer.content.decode(), english) == []


@pytest.mark.parametrize("query", ["?status=failed", "?q=nothing", "?before=99999999999.000000-" + "0" * 32])
def test_filtered_gallery_contains_no_english(
    reader: Client, images: list[Upload], english: English, query: str
) -> None:
    assert left_over(reader.get(f"/{query}").content.decode(), english) == []


def test_empty_gallery_contains_no_english(reader: Client, english: English) -> None:
    assert left_over(reader.get("/").content.decode(), english) == []


@pytest.mark.parametrize("name", [*OF_STRANGERS, *OF_MEMBERS])
def test_account_page_contains_no_english(client: Client, person: User, english: English, name: str) -> None:
    if name in OF_MEMBERS:
        client.force_login(person)
    for ask in (client.get, client.post):
        answer = ask(reverse(name), headers={"Accept-Language": "de"}, follow=True)
        assert left_over(answer.content.decode(), english) == []


@pytest.mark.django_db
def test_page_not_found_contains_no_english(client: Client, english: English) -> None:
    page = client.get("/nothing/here", headers={"Accept-Language": "de"})
    assert page.status_code == 404
    assert left_over(page.content.decode(), english) == []


@pytest.mark.parametrize("action", ["reprocess", "private", "unlisted", "delete"])
def test_message_after_an_action_contains_no_english(
    reader: Client, images: list[Upload], english: English, action: str
) -> None:
    htmx = {"HX-Request": "true"}
    answer = reader.post(f"/uploads/selected/{action}", {"id": images[0].pk}, headers=htmx)
    assert "message success" in answer.content.decode()
    assert left_over(answer.content.decode(), english) == []


def test_english_text_is_detected(english: English) -> None:
    assert len(english) > 200
    assert {"Choose images", "Delete"} <= {*left_over('<p title="Delete">Choose images</p>', english)}
    assert left_over('<script id="words">{"ready": "Choose images"}</script>', english) == ["Choose images"]
    assert left_over('<p class="ready">upload.ready a@Delete.example</p>', english) == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_every_text_of_a_template_is_marked_for_translation(template: Path) -> None:
    source = re.sub(TRANSLATED, "", template.read_text(), flags=re.DOTALL)
    text = words_of(re.sub(r"{%.*?%}|{{.*?}}", "", source))
    assert set(re.findall(r"\w*[a-zA-Z]\w*", text)) - NAMES == set()
