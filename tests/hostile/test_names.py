"""File names are display text: kept if harmless, escaped everywhere, and never part of a key."""

import html
import logging
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from tests.conftest import MakeImage, assert_storage_matches_rows, stored_keys
from tests.inbox import body_of, mail_server
from uploads import completion
from uploads.models import Delivery, Upload
from uploads.notices import preferences
from uploads.tasks import deliver

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
# The name that is sent, and the name that is kept.
NAMES = {
    "path": (b"../../etc/passwd", "passwd"),
    "windows path": (b"..\\\\..\\\\x.jpg", "x.jpg"),
    "NUL": (b"a\0b.jpg", "ab.jpg"),
    "right to left": (f"photo{BIDI}gpj.exe".encode(), "photogpj.exe"),
    "300 characters": (b"x" * 300 + b".jpeg", "x" * 250 + ".jpeg"),
    "5000 characters": (b"x" * 5000 + b".jpeg", "x" * 250 + ".jpeg"),
    "a long extension": (b"x." + b"y" * 600, "." + "y" * 254),
    "300 emoji": ("🏖".encode() * 300 + b".jpg", "🏖" * 251 + ".jpg"),
    "emoji": ("mer 🏖️ ü ñ 海.jpg".encode(), "mer 🏖️ ü ñ 海.jpg"),
    "Hebrew": ("חוף הים.jpg".encode(), "חוף הים.jpg"),
    "script": (b"<script>alert(1)<!-- &.jpg", "<script>alert(1)<!-- &.jpg"),
    "attribute": (b"' onload='alert(1).jpg", "' onload='alert(1).jpg"),
    "quotes": (b'\\"quotes\\".jpg', '"quotes".jpg'),
    "template": (b"{name} %(name)s {{ name }} {% now %}.jpg", "{name} %(name)s {{ name }} {% now %}.jpg"),
    "line break": (b"a\rb.jpg", "ab.jpg"),
    "dots": (b"...", "..."),
    "spaces": (b"   ", "unnamed"),
    "spaces around": (b"  a  b.jpg  ", "a  b.jpg"),
    "NBSP": ("a\u00a0b.jpg".encode(), "a b.jpg"),
    "a screenshot": (
        "Screenshot 2026-11-27 at 9.41.00\u202fAM.png".encode(),
        "Screenshot 2026-11-27 at 9.41.00 AM.png",
    ),
    "ideographic space": ("海\u3000辺.jpg".encode(), "海 辺.jpg"),
    "line separators": ("a\u2028b\u2029c.jpg".encode(), "a b c.jpg"),
    "Persian": ("می\u200cخواهم.jpg".encode(), "می\u200cخواهم.jpg"),
    "a family": ("👩\u200d👩\u200d👧.jpg".encode(), "👩\u200d👩\u200d👧.jpg"),
    "entity": (b"cats &copy dogs &amp;.jpg", "cats &copy dogs &amp;.jpg"),
    "percent": (b"100%22off.jpg", "100%22off.jpg"),
    "decomposed": ("Ko\u0308ln.jpg".encode(), "Köln.jpg"),
}
KEY = re.compile(r"(originals|renditions)/[0-9a-f]{2}/[0-9a-z/._-]+")
each_name = pytest.mark.parametrize("kind", NAMES)
pytestmark = [pytest.mark.django_db, pytest.mark.any_database, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _few_presets(settings: Any) -> None:
    """Render little, because these tests are about names."""
    presets = {"thumb": {"width": 32, "height": 32, "mode": "fill"}, "small": {"width": 20}}
    settings.DARKROOM = {**settings.DARKROOM, "PRESETS": presets}


@pytest.fixture
def api(client_of: Callable[[User], APIClient], owner: User) -> APIClient:
    return client_of(owner)


def post(client: APIClient, name: bytes, data: bytes) -> Any:
    """Send a picture with a file name that is given in bytes."""
    start = b'--limit\r\nContent-Disposition: form-data; name="file"; filename="' + name
    body = start + b'"\r\nContent-Type: image/jpeg\r\n\r\n' + data + b"\r\n--limit--\r\n"
    return client.post("/api/uploads/", body, content_type="multipart/form-data; boundary=limit")


def sent(client: APIClient, kind: str, data: bytes) -> Upload:
    response = post(client, NAMES[kind][0], data)
    assert response.status_code == 201, response.content
    return Upload.objects.get(pk=response.json()["id"])


def words_of(page: str) -> str:
    """Return the text of a page without tags."""
    return html.unescape(re.sub(r"<[^>]*>", "", page))


@each_name
def test_file_name_is_cleaned_and_is_in_no_key(kind: str, api: APIClient, make_image: MakeImage) -> None:
    upload = sent(api, kind, make_image(width=40, height=30))
    completion.run_here(upload)
    upload.refresh_from_db()
    assert upload.filename == NAMES[kind][1]
    assert api.get(f"/api/uploads/{upload.pk}/").json()["filename"] == upload.filename
    assert len(stored_keys()) == 5
    assert [key for key in stored_keys() if not KEY.fullmatch(key)] == []
    assert_storage_matches_rows()


def test_file_names_are_escaped_and_isolated_on_every_page(
    api: APIClient, owner: User, make_image: MakeImage, client: Client
) -> None:
    for seed, kind in enumerate(NAMES):
        upload = sent(api, kind, make_image(width=40, height=30, seed=seed))
        completion.run_here(upload)
        broken = sent(api, "path", make_image(width=41, height=30, seed=seed))
        Upload.objects.filter(pk=broken.pk).update(
            status="failed", error_code="unreadable_image", error_detail="x", filename=NAMES[kind][1]
        )
    owner.is_staff = owner.is_superuser = True
    owner.save()
    client.force_login(owner)
    ready = Upload.objects.filter(status="ready")
    admin = "/admin/uploads/upload/"
    pages = ["/", "/notices/", "/status/", admin]
    names = {name for _, name in NAMES.values()}
    for page in pages:
        assert_escaped(client.get(page).content.decode(), names, page)
    assert_escaped(client.get("/notices/latest").content.decode(), set(), "the latest notices")
    for upload in ready:
        for page in (f"/uploads/{upload.pk}/", f"{admin}{upload.pk}/change/"):
            assert_escaped(client.get(page).content.decode(), {upload.filename}, page)
        name = html.escape(upload.filename)
        assert f"<bdi>{name}</bdi>" in client.get(f"/uploads/{upload.pk}/").content.decode()
    gallery, notices = (client.get(page).content.decode() for page in ("/", "/notices/"))
    for name in map(html.escape, names):
        assert f'<bdi class="name">{name}</bdi>' in gallery
        # The subject of a notice is one line with single spaces.
        assert f"<bdi>{' '.join(name.split())} is ready</bdi>" in notices


def assert_escaped(text: str, names: set[str], page: str) -> None:
    words = " ".join(words_of(text).split())
    assert [name for name in names if " ".join(name.split()) not in words] == [], page
    assert "<script>alert" not in text, page
    assert not re.search(r"<[^>]*' onload='alert[^>]*>", text), page
    assert not set(BIDI) & set(text), page


@each_name
def test_original_is_downloaded_under_its_file_name(
    kind: str, api: APIClient, owner: User, make_image: MakeImage, client: Client
) -> None:
    upload = sent(api, kind, make_image(width=40, height=30))
    client.force_login(owner)
    response = client.head(f"/uploads/{upload.pk}/original")
    disposition = response.headers["Content-Disposition"]
    assert disposition.isascii()
    assert disposition.isprintable()
    found = re.fullmatch(r"attachment; filename(?:=\"(.*)\"|\*=utf-8''(.*))", disposition)
    assert found is not None
    quoted, encoded = found.groups()
    name = unquote(encoded) if encoded else re.sub(r"\\(.)", r"\1", quoted)
    assert name == NAMES[kind][1]


@pytest.mark.parametrize(
    "kind",
    ["300 characters", "300 emoji", "right to left", "line break", "script", "template", "spaces around"],
)
def test_mail_has_the_file_name_on_one_line(
    kind: str, api: APIClient, owner: User, make_image: MakeImage, settings: Any
) -> None:
    preferences.choose_email(person=owner, choice="each")
    with mail_server(settings) as inbox:
        upload = sent(api, kind, make_image(width=40, height=30))
        completion.run_here(upload)
        for delivery in Delivery.objects.filter(channel="email"):
            deliver(delivery_id=str(delivery.pk))
        (message,) = inbox.messages
    assert message["Subject"] == "1 image is ready"
    assert message["To"] == owner.email
    assert set(message.keys()) >= {"Subject", "From", "To", "Message-ID"}
    assert " ".join(NAMES[kind][1].split()) in body_of(message)


@each_name
def test_file_name_is_in_the_refusal_but_not_in_the_log(
    kind: str, api: APIClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        response = post(api, NAMES[kind][0], b"%PDF-1.7")
    assert response.status_code == 415
    assert response.json()["detail"].startswith(f"{NAMES[kind][1]} is a PDF document.")
    lines = "\n".join(record.getMessage() for record in caplog.records)
    assert NAMES[kind][1] not in lines
    assert "\r" not in lines


# The last two are not UTF-8. Browsers never send them, and Django ignores such a header.
NAMELESS = [b"", b".", b"..", b"../", b"\0", "\u200f".encode(), b"caf\xe9.jpg", b"a\xed\xa0\x80b.jpg"]


@pytest.mark.parametrize("name", NAMELESS)
def test_file_without_a_name_is_refused(name: bytes, api: APIClient, make_image: MakeImage) -> None:
    response = post(api, name, make_image())
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert stored_keys() == set()


@pytest.mark.parametrize("name", [b'x"\r\nSet-Cookie: a=b\r\nX: "y.jpg', b"x\r\n\r\ny.jpg", b"x\ny.jpg"])
def test_line_break_in_a_file_name_adds_no_header(name: bytes, api: APIClient, make_image: MakeImage) -> None:
    response = post(api, name, make_image())
    assert response.status_code in {201, 400, 415}
    assert "Set-Cookie" not in response.headers
    assert not Upload.objects.filter(filename__contains="\n").exists()
    assert not Upload.objects.filter(filename__contains="\r").exists()
