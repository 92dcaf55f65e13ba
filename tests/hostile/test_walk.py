"""Every URL with every verb, requested by people without the right to it.

The rule: another person's object gets the same response as an unknown one, byte for byte. A stranger gets
404, or 405 for a verb that the owner cannot use either. A visitor gets 401 from the API, a redirect to sign
in from a page, and 404 for a file. Lists show a person's own rows, and other people's ids in a body have no
effect. Pages for staff do not exist for others.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from tests.conftest import Send
from tests.pages import make_rendition
from uploads import services
from uploads.api import views
from uploads.models import Event, Token, Upload
from uploads.notices import endpoints, preferences, webhooks
from uploads.notices.announcements import announce
from uploads.serving import links, private_links
from uploads.tokens import issuing
from uploads.tokens.keys import digest_of

pytestmark = [pytest.mark.django_db, pytest.mark.any_database, pytest.mark.slow]

# The admin has many similar URLs, so fewer verbs are tried.
ADMIN_VERBS = ("GET", "POST", "DELETE")
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
READ, WRITE, ANY = ("GET", "HEAD"), ("POST",), VERBS
ELSEWHERE = "192.0.2.7"
# Part of the names that the owner gives, to detect a response that contains one.
MARK = "c0ffee5ecret"


@dataclass(frozen=True)
class Route:
    """The people who may use a URL, the verbs, and the values that fill it.

    `whose` is "one" (an object of one person, named by an id), "own" (each person's own), "staff" or "open".
    """

    whose: str
    verbs: tuple[str, ...]
    fill: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


def in_uploads(*names: str) -> list[str]:
    return [f"uploads:{name}" for name in names]


UPLOAD, ENDPOINT = ("upload",), ("endpoint",)
IMAGE_ACTIONS = ("reprocess", "visibility", "focus", "revoke", "delete")
WEBHOOK_ACTIONS = ("test", "rotate", "enable", "disable", "delete")
SELECTED_ACTIONS = ("reprocess", "private", "unlisted", "delete")
ROUTES = {
    "uploads:api:upload-list": Route("own", (*READ, "POST")),
    "uploads:api:upload-detail": Route("one", (*READ, "PATCH", "DELETE"), UPLOAD),
    "uploads:api:upload-file": Route("one", ("PUT",), UPLOAD),
    "uploads:api:upload-reprocess": Route("one", WRITE, UPLOAD),
    "uploads:api:upload-restore": Route("one", WRITE, ("deleted",)),
    "uploads:api:link-list": Route("one", (*READ, "POST", "DELETE"), UPLOAD),
    "uploads:api:link-detail": Route("one", ("DELETE",), ("upload", "link")),
    "uploads:api:notice-list": Route("own", READ),
    "uploads:api:notice-read": Route("own", WRITE),
    "uploads:api:token-list": Route("own", (*READ, "POST")),
    "uploads:api:token-detail": Route("one", ("DELETE",), ("token",)),
    "uploads:api:webhook-list": Route("own", (*READ, "POST")),
    "uploads:api:webhook-detail": Route("one", (*READ, "PATCH", "DELETE"), ENDPOINT),
    "uploads:api:webhook-rotate": Route("one", WRITE, ENDPOINT),
    "uploads:api:webhook-test": Route("one", WRITE, ENDPOINT),
    "uploads:api:webhook-delivery-list": Route("one", READ, ENDPOINT),
    "uploads:api:webhook-delivery-resend": Route("one", WRITE, ("endpoint", "delivery")),
    "uploads:api:events": Route("own", READ),
    "uploads:api:settings": Route("own", (*READ, "PATCH")),
    "uploads:api:quota": Route("own", READ),
    **dict.fromkeys(("uploads:api:schema", "uploads:api:docs", "uploads:api:"), Route("open", ANY)),
    "uploads:picture": Route("one", READ, UPLOAD, ("thumb", "thumb.webp")),
    "uploads:rendition": Route("one", READ, ("rendition",)),
    "uploads:original": Route("one", READ, UPLOAD),
    "uploads:image": Route("one", (*READ, "POST"), UPLOAD),
    "uploads:replace": Route("one", WRITE, UPLOAD),
    "uploads:revoke_link": Route("one", WRITE, ("upload", "link")),
    "uploads:act_on_image": Route("one", WRITE, UPLOAD, IMAGE_ACTIONS),
    "uploads:revoke_token": Route("one", WRITE, ("token",)),
    "uploads:revoke_tokens": Route("own", WRITE),
    "uploads:webhook": Route("one", READ, ENDPOINT),
    "uploads:webhook_action": Route("one", WRITE, ENDPOINT, WEBHOOK_ACTIONS),
    "uploads:resend": Route("one", WRITE, ("endpoint", "delivery")),
    "uploads:form_pictures": Route("own", WRITE),
    "uploads:form_picture": Route("open", ANY),
    "uploads:home": Route("own", (*READ, "POST")),
    "uploads:cards": Route("own", ("GET",)),
    "uploads:act_on_selected": Route("own", WRITE, (), SELECTED_ACTIONS),
    "uploads:restore": Route("own", WRITE),
    "uploads:purge": Route("own", WRITE),
    **dict.fromkeys(
        ("uploads:notices", "uploads:latest_notices", "uploads:unread_notices"), Route("own", READ)
    ),
    **dict.fromkeys(
        ("uploads:read_notices", "uploads:choose_email", "uploads:choose_reports"), Route("own", WRITE)
    ),
    **dict.fromkeys(("uploads:account", "uploads:webhooks"), Route("own", (*READ, "POST"))),
    "export": Route("own", WRITE),
    "delete_account": Route("own", (*READ, "POST")),
    **dict.fromkeys(("uploads:status", "uploads:status_figures", "uploads:metrics"), Route("staff", READ)),
    "uploads:status_retry_all": Route("staff", WRITE),
    "uploads:status_retry": Route("staff", WRITE, UPLOAD),
    **dict.fromkeys(
        ("uploads:healthz", "uploads:readyz", "favicon", "uploads:set_language", "deleted_account"),
        Route("open", ANY),
    ),
    **dict.fromkeys(("uploads:probe", "verify_again"), Route("open", ANY)),
}
# URLs that depend on a key in the URL: those of allauth, and three of ours.
KEYS = {
    "uploads:probe": {"name": "a-key"},
    "uploads:form_picture": {"name": "a-key"},
    "verify_again": {"key": "a-key"},
    "account_confirm_email": {"key": "a-key"},
    "account_reset_password_from_key": {"uidb36": "1", "key": "a-key"},
}
# URLs that never redirect to sign in: files, and responses for scripts and programs.
FILES = {f"uploads:{name}" for name in ("picture", "rendition", "original", "metrics", "status_figures")}
# URLs for scripts, which tell a visitor as the API does.
SCRIPTS = {"uploads:form_pictures"}


def is_without_streams(answer: Any) -> bool:
    """Return whether the answer refuses an event stream: the client of these tests speaks WSGI."""
    return bool(answer.status_code == 501 and answer["Content-Type"] == "application/problem+json")


def has_failed(answer: Any) -> bool:
    return answer.status_code >= 500 and not is_without_streams(answer)


def names_of(resolver: URLResolver, namespace: str = "") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern):
            yield namespace + (pattern.name or "")
        else:
            yield from names_of(pattern, namespace + (f"{pattern.namespace}:" if pattern.namespace else ""))


ALL_NAMES = sorted(set(names_of(get_resolver())))
OF_ACCOUNTS = [name for name in ALL_NAMES if name.startswith("account_")]
OF_ADMIN = [name for name in ALL_NAMES if name.startswith("admin:")]


def of(*whose: str) -> list[str]:
    return sorted(name for name, route in ROUTES.items() if route.whose in whose)


def test_every_url_is_tested() -> None:
    assert set(ALL_NAMES) == {*ROUTES, *OF_ACCOUNTS, *OF_ADMIN}


@pytest.fixture(autouse=True)
def _own_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear the rate limits of other tests, and keep the database connection of the test."""
    cache.clear()
    monkeypatch.setattr(views, "close_old_connections", lambda: None)


@pytest.fixture
def upload(owner: User, send: Send) -> Upload:
    """Return the owner's private upload, which is ready and announced."""
    upload = send(name=f"{MARK}.jpg")
    now = timezone.now()
    Upload.objects.update(visibility="private", status="ready", thumbnails_ready_at=now, ready_at=now)
    upload.refresh_from_db()
    make_rendition(upload, preset="thumb", width=256)
    announce(upload, Event.Name.READY)
    return upload


@pytest.fixture
def things(owner: User, upload: Upload, send: Send, make_image: Any) -> dict[str, str]:
    """Return the ids of the owner's objects, one of each kind."""
    deleted = send(make_image(seed=7), name=f"{MARK}-deleted.jpg")
    services.delete_upload(upload=deleted)
    endpoint = endpoints.add(owner=owner, url=f"https://example.com/{MARK}", description=MARK)
    event = Event.objects.create(owner=owner, name=Event.Name.WEBHOOK_TEST)
    delivery = webhooks.create_delivery(event=event, endpoint=endpoint)
    endpoint.deliveries.filter(pk=delivery.pk).update(failed_at=timezone.now(), next_attempt_at=None)
    preferences.choose_email(person=owner, choice="each")
    token = issuing.issue(owner=owner, name=MARK, scope="all").token
    return {
        "upload": str(upload.pk),
        "deleted": str(deleted.pk),
        "endpoint": str(endpoint.pk),
        "delivery": str(delivery.pk),
        "link": str(private_links.make(upload=upload).link.pk),
        "token": str(token.pk),
        "rendition": links.rendition_path(upload, upload.original.renditions.get()).split("/", 2)[2],
    }


def nothing_of(things: dict[str, str]) -> dict[str, str]:
    """Return unknown ids of the same kinds."""
    unknown = {name: str(uuid.uuid4()) for name in things}
    return {**unknown, "rendition": re.sub("[0-9a-f]{32}", uuid.uuid4().hex, things["rendition"])}


def rows() -> dict[tuple[str, Any], dict[str, Any]]:
    """Return all rows, except sessions and users."""
    models = [model for model in apps.get_models() if model not in (Session, User)]
    return {(model._meta.label, row["pk"]): row for model in models for row in _values(model)}


def _values(model: Any) -> Any:
    return model._base_manager.annotate().values(
        *(field.attname for field in model._meta.concrete_fields), "pk"
    )


def paths(name: str, ids: dict[str, str]) -> list[str]:
    route = ROUTES[name]
    if name == "uploads:api:":
        return ["/api/nothing/"]
    filled = [ids[kind] for kind in route.fill]
    return [reverse(name, args=[*filled, *action]) for action in ([one] for one in route.actions)] or [
        reverse(name, args=filled)
    ]


def body(path: str, ids: dict[str, str]) -> dict[str, Any]:
    """Return all fields that any URL accepts, filled with another person's ids."""
    fields = {
        "id": ids["upload"],
        "ids": [ids["delivery"]],
        "deleted_at": (timezone.now() + timedelta(days=1)).isoformat(),
        "visibility": "unlisted",
        "email": "digest",
        "description": "taken over",
        "owner": "bob",
        "x": "10",
        "y": "20",
    }
    return {**fields, "focus": {"x": 0.1, "y": 0.2}} if path.startswith("/api/") else fields


Ask = Callable[..., Any]


def asking(client: Client) -> Ask:
    def ask(verb: str, path: str, ids: dict[str, str]) -> Any:
        options: dict[str, Any] = {"REMOTE_ADDR": ELSEWHERE}
        if path.startswith("/api/") and verb in ("POST", "PUT", "PATCH"):
            options |= {"data": body(path, ids), "content_type": "application/json"}
        elif verb == "POST":
            options["data"] = body(path, ids)
        elif verb == "GET" and path.startswith(("/cards/", "/status/figures")):
            options["data"] = {"id": ids["upload"], "told": "x"}
        if path == "/account/export":
            # A person has one export at a time, and no test reads the last one to its end.
            cache.clear()
        return getattr(client, verb.lower())(path, **options)

    return ask


def by_session(user: User, **options: Any) -> Ask:
    """Ask with a new session. A row is enough, because signing in hundreds of times takes seconds."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    client = Client(raise_request_exception=False, **options)
    client.cookies[settings.SESSION_COOKIE_NAME] = str(session.session_key)
    return asking(client)


def by_token(user: User) -> Ask:
    """Ask with the one token of the user. It counts as used already, so that its use changes nothing."""
    key = f"{user.pk:040x}"
    used_at = timezone.now() + timedelta(days=1)
    defaults = {"owner": user, "name": "CI", "scope": "all", "last_used_at": used_at}
    Token.objects.get_or_create(digest=digest_of(key), defaults=defaults)
    return asking(Client(raise_request_exception=False, headers={"Authorization": f"Token {key}"}))


def visitor() -> Ask:
    return asking(Client(raise_request_exception=False))


def text_of(answer: Any) -> str:
    """Return a response without the time, the CSRF token and the requested ids."""
    content = "" if answer.streaming else answer.content.decode()
    said = "\n".join(
        [*(f"{name}: {value}" for name, value in sorted(answer.items()) if name != "Expires"), content]
    )
    said = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", said)
    return re.sub(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "an id", said)


def assert_nothing_shows(answer: Any, name: str, verb: str) -> None:
    assert not has_failed(answer), (name, verb, answer.status_code)
    assert MARK not in text_of(answer), (name, verb)


def walk(*whose: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield each URL with each verb and its allowed verbs. Assert that no row has changed."""
    before = rows()
    for name in of(*whose):
        for verb in VERBS:
            yield name, verb, ROUTES[name].verbs
        after = rows()
        assert {key: after.get(key) for key in before} == before, name


@pytest.mark.parametrize("sign_in", [by_session, by_token])
def test_another_user_can_read_and_change_nothing(
    things: dict[str, str], stranger: User, sign_in: Callable[[User], Ask]
) -> None:
    unknown = nothing_of(things)
    for name, verb, verbs in walk("one", "own"):
        if sign_in is by_token and not (name.startswith("uploads:api:") or name in FILES):
            continue  # pages accept only sessions
        for path, other in zip(paths(name, things), paths(name, unknown), strict=True):
            # Each request uses a new session, because messages wait in a session for the next page.
            answer, twin = sign_in(stranger)(verb, path, things), sign_in(stranger)(verb, other, unknown)
            assert_nothing_shows(answer, name, verb)
            if verb not in verbs:
                assert answer.status_code == 405, (name, verb)
            elif ROUTES[name].whose == "one":
                assert answer.status_code == 404, (name, verb)
            assert (answer.status_code, text_of(answer)) == (twin.status_code, text_of(twin)), (name, verb)


def test_visitor_must_sign_in(things: dict[str, str]) -> None:
    for name, verb, verbs in walk("one", "own"):
        for path in paths(name, things):
            answer = visitor()(verb, path, things)
            assert_nothing_shows(answer, name, verb)
            if name.startswith("uploads:api:"):
                assert answer.status_code == 401, (name, verb)
            elif name in SCRIPTS:
                assert answer.status_code == (401 if verb in verbs else 405), (name, verb)
            elif name in FILES:
                assert answer.status_code == (404 if verb in verbs else 405), (name, verb)
            elif answer.status_code != 405:
                assert answer.status_code == 302, (name, verb)
                assert answer["Location"].startswith("/accounts/login/?next="), (name, verb)


# The stream of the original is not read to its end. The files of the others are missing.
UNREAD = {("uploads:original", "GET")}
FILE_MISSING = {"uploads:picture", "uploads:rendition"}


@pytest.mark.parametrize("name", of("one", "own"))
def test_owner_gets_an_answer_from_every_url(things: dict[str, str], owner: User, name: str) -> None:
    """The URLs and verbs are correct. Otherwise the other walks would prove nothing."""
    for verb in ROUTES[name].verbs:
        for path in paths(name, things) if (name, verb) not in UNREAD else []:
            answer = by_session(owner)(verb, path, things)
            if name in FILE_MISSING:
                assert MISSING.search(answer.content.decode()) or verb == "HEAD"
            else:
                answered = answer.status_code in (200, 201, 202, 204, 302, 400, 415)
                assert answered or is_without_streams(answer), (verb, path)


MISSING = re.compile("rendition_missing|no_such_format")


def test_request_from_another_site_changes_nothing(things: dict[str, str], owner: User) -> None:
    """A form on another site sends the session cookie, but no CSRF token."""
    ask = by_session(owner, enforce_csrf_checks=True)
    for name, verb, _verbs in walk("one", "own"):
        for path in paths(name, things) if verb in ("POST", "PUT", "PATCH", "DELETE") else []:
            assert ask(verb, path, things).status_code in (403, 405, 415), (name, verb)


def test_staff_pages_are_only_for_staff(things: dict[str, str], stranger: User) -> None:
    ask = by_session(stranger)
    for name, verb, verbs in walk("staff"):
        (path,) = paths(name, things)
        answer, anonymous = ask(verb, path, things), visitor()(verb, path, things)
        assert_nothing_shows(answer, name, verb)
        assert answer.status_code == (404 if verb in verbs else 405), (name, verb)
        to_sign_in = verb in verbs and name not in FILES
        assert anonymous.status_code == (302 if to_sign_in else answer.status_code), (name, verb)


def test_staff_get_an_answer_from_every_url(things: dict[str, str], admin_user: User) -> None:
    for name in of("staff"):
        for verb in ROUTES[name].verbs:
            (path,) = paths(name, things)
            assert by_session(admin_user)(verb, path, things).status_code in (200, 302), (name, verb)


def test_admin_is_only_for_staff(things: dict[str, str], stranger: User) -> None:
    before = rows()
    for name, verb in product(OF_ADMIN, ADMIN_VERBS):
        path = admin_path(name, things)
        answer, anonymous = by_session(stranger)(verb, path, things), visitor()(verb, path, things)
        assert_nothing_shows(answer, name, verb)
        if answer.status_code == 302:
            answer = by_session(stranger)("GET", answer["Location"], things)
        assert answer.status_code in (404, 405) or name in PUBLIC_IN_ADMIN, (name, verb)
        assert anonymous.status_code == 302 or name in PUBLIC_IN_ADMIN, (name, verb)
    assert rows() == before


# Texts for scripts in the user's language, and allauth's sign-out page for all users.
PUBLIC_IN_ADMIN = {"admin:jsi18n", "admin:logout"}


def admin_path(name: str, things: dict[str, str]) -> str:
    if name == "admin:":
        return "/admin/nothing/at/all/"
    if name == "admin:app_list":
        return "/admin/uploads/"
    if name == "admin:view_on_site":
        return reverse(name, args=[1, things["upload"]])
    kinds = {"upload": "upload", "endpoint": "endpoint", "delivery": "delivery", "token": "token"}
    model = name.removeprefix("admin:").split("_")[1] if "_" in name else ""
    if name.endswith(("_history", "_delete", "_change")) and name != "admin:password_change":
        return reverse(name, args=[things[kinds[model]] if model in kinds else "1"])
    return reverse(name)


def test_public_pages_show_and_change_no_private_data(
    things: dict[str, str], owner: User, stranger: User
) -> None:
    before, password = rows(), owner.password
    for name, verb in product([*OF_ACCOUNTS, *of("open")], VERBS):
        for ask in (visitor(), by_session(stranger)):
            answer = ask(verb, open_path(name), things)
            assert not has_failed(answer), (name, verb)
            assert MARK not in text_of(answer), (name, verb)
    after = rows()
    assert {key: after.get(key) for key in before} == before
    owner.refresh_from_db()
    assert (owner.password, owner.email) == (password, "ada@example.com")


def open_path(name: str) -> str:
    if name == "uploads:api:":
        return "/api/nothing/"
    return reverse(name, kwargs=KEYS.get(name, {}))


def test_own_endpoint_gives_no_access_to_deliveries_of_another(
    things: dict[str, str], stranger: User
) -> None:
    own = endpoints.add(owner=stranger, url="https://example.com/")
    for name in ("uploads:api:webhook-delivery-resend", "uploads:resend"):
        path = reverse(name, args=[own.pk, things["delivery"]])
        assert by_session(stranger)("POST", path, things).status_code == 404


def test_unlisted_image_is_readable_but_not_writable_with_its_url(
    things: dict[str, str], upload: Upload, stranger: User
) -> None:
    """The picture of an unlisted upload is open. Its page, its original and its JSON are not."""
    Upload.objects.filter(pk=upload.pk).update(visibility="unlisted")
    Upload.objects.filter(pk=upload.pk).update(thumbnails_ready_at=None, ready_at=None, status="pending")
    for ask in (visitor(), by_session(stranger)):
        assert ask("GET", f"/i/{upload.pk}/small", things).status_code == 202
        assert ask("GET", f"/uploads/{upload.pk}/original", things).status_code == 404
        assert ask("GET", f"/uploads/{upload.pk}/", things).status_code in (302, 404)
        assert ask("GET", f"/api/uploads/{upload.pk}/", things).status_code in (401, 404)
