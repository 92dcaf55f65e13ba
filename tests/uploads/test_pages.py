"""The pages without a script: upload, see, process again, delete, the account."""

import io
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from PIL import Image
from rest_framework.authtoken.models import Token

from processing.models import Original, Rendition
from uploads import pages, pipeline, preferences
from uploads.models import Delivery, Event, Step, Upload

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_surroundings(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep files in a folder of the test, and nothing started."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STATIC_ROOT = tmp_path
    monkeypatch.setattr(pipeline, "start", lambda _upload: True)


@pytest.fixture
def person() -> User:
    return User.objects.create_user("ada", "ada@example.org")


@pytest.fixture
def signed_in(client: Client, person: User) -> Client:
    client.force_login(person)
    return client


def image_file(name: str = "sea.png", color: str = "teal") -> SimpleUploadedFile:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), color).save(buffer, "PNG")
    return SimpleUploadedFile(name, buffer.getvalue(), "image/png")


def make_upload(owner: User, *, filename: str = "sea.png", status: str = "pending", **fields: Any) -> Upload:
    key = uuid.uuid4().hex
    original = Original.objects.create(
        content_hash=key * 2, public_key=key, format="png", width=40, height=30, byte_size=99, color="#123456"
    )
    return Upload.objects.create(owner=owner, original=original, filename=filename, status=status, **fields)


def make_rendition(upload: Upload, *, preset: str, width: int, format: str = "webp") -> Rendition:
    return Rendition.objects.create(
        original=upload.original,
        preset=preset,
        format=format,
        fingerprint="0" * 16,
        key=f"renditions/ab/{upload.original.public_key}/{preset}-{'0' * 16}.{format}",
        width=width,
        height=width,
        byte_size=1234,
        digest="0" * 64,
    )


def told(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def test_a_visitor_is_sent_to_sign_in(client: Client) -> None:
    assert client.get("/")["Location"] == "/accounts/login/?next=/"


def test_the_first_page_teaches(signed_in: Client) -> None:
    page = signed_in.get("/").content.decode()
    assert "Nothing here yet." in page
    assert 'type="file"' in page
    assert "multiple" in page


def test_several_files_are_taken(signed_in: Client, person: User) -> None:
    files = [image_file("sea.png", "teal"), image_file("sand.png", "tan")]
    answer = signed_in.post("/", {"file": files, "visibility": "private"})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert told(answer) == ["sea.png is uploaded.", "sand.png is uploaded."]
    assert {upload.visibility for upload in Upload.objects.filter(owner=person)} == {"private"}


def test_a_duplicate_is_told(signed_in: Client, person: User) -> None:
    signed_in.post("/", {"file": image_file()})
    answer = signed_in.post("/", {"file": image_file()})
    assert told(answer)[-1] == "sea.png is already here."
    assert Upload.objects.filter(owner=person).count() == 1


def test_each_refusal_is_told_and_the_others_are_taken(signed_in: Client, person: User) -> None:
    words = SimpleUploadedFile("words.txt", b"no image at all", "text/plain")
    answer = signed_in.post("/", {"file": [words, image_file()]})
    refused, taken = told(answer)
    assert refused.startswith("words.txt is ")
    assert taken == "sea.png is uploaded."
    assert Upload.objects.filter(owner=person).count() == 1


def test_a_file_that_is_too_large_is_told(signed_in: Client, person: User, settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "MAX_UPLOAD_BYTES": 10}
    answer = signed_in.post("/", {"file": image_file()})
    assert "sea.png" in told(answer)[0]
    assert Upload.objects.filter(owner=person).count() == 0


def test_no_file_is_told(signed_in: Client) -> None:
    assert told(signed_in.post("/", {"visibility": "private"})) == ["Choose at least one image first."]


def test_the_form_is_guarded_against_forgery(person: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    assert client.post("/", {"file": image_file()}).status_code == 403
    assert Upload.objects.filter(owner=person).count() == 0


def test_an_unfinished_card_shows_its_steps_and_the_page_reloads_itself(
    signed_in: Client, person: User
) -> None:
    upload = make_upload(person, status="processing", thumbnails_ready_at=timezone.now())
    Step.objects.create(upload=upload, name="generate_thumbnails", started_at=timezone.now())
    page = signed_in.get("/").content.decode()
    assert "thumbnails: in work" in page
    assert "sizes: to come" in page
    assert 'http-equiv="refresh"' in page
    assert 'fill="#123456"' in page
    assert "<img" not in page


def test_a_ready_card_shows_its_picture_and_addresses(signed_in: Client, person: User) -> None:
    upload = make_upload(person, status="ready", ready_at=timezone.now())
    large = make_rendition(upload, preset="large", width=1280)
    make_rendition(upload, preset="thumb", width=256)
    page = signed_in.get("/").content.decode()
    assert f'<img src="/i/{upload.pk}/thumb" width="256" height="256" alt="sea.png"' in page
    assert large.key.removeprefix("renditions/") in page
    assert "2 sizes and addresses" in page
    assert 'http-equiv="refresh"' not in page


def test_a_failed_card_says_why(signed_in: Client, person: User) -> None:
    make_upload(person, status="failed", error_code="unreadable_image", error_detail="It ends too early.")
    assert "failed: It ends too early." in signed_in.get("/").content.decode()


def test_a_file_name_is_text(signed_in: Client, person: User) -> None:
    make_upload(person, filename="<script>alert(1)</script>.png")
    page = signed_in.get("/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.png" in page


def test_nothing_is_inline(signed_in: Client, person: User) -> None:
    make_rendition(make_upload(person, status="ready", ready_at=timezone.now()), preset="thumb", width=256)
    page = signed_in.get("/").content.decode()
    assert "style=" not in page
    assert "onclick=" not in page


def test_older_images_are_on_the_next_page(signed_in: Client, person: User) -> None:
    uploads = [make_upload(person, filename=f"{number}.png") for number in range(pages.CARDS_A_PAGE + 1)]
    first, second = (signed_in.get(f"/?page={number}").content.decode() for number in (1, 2))
    assert f"upload-{uploads[-1].pk}" in first
    assert f"upload-{uploads[0].pk}" not in first
    assert f"upload-{uploads[0].pk}" in second


def test_a_page_asks_the_database_a_fixed_number_of_times(
    signed_in: Client, person: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        make_rendition(make_upload(person, filename=f"{number}.png"), preset="thumb", width=256)
    with django_assert_max_num_queries(9):
        signed_in.get("/")


def test_notices_are_the_persons_own(signed_in: Client, person: User) -> None:
    for owner in (person, User.objects.create_user("grace")):
        event = Event.objects.create(owner=owner, upload=make_upload(owner), name="upload.ready", data={})
        Delivery.objects.create(event=event, channel="in_app", subject=f"Notice for {owner.get_username()}")
    page = signed_in.get("/").content.decode()
    assert "Notice for ada" in page
    assert "Notice for grace" not in page


def test_cards_are_drawn_alone(signed_in: Client, person: User) -> None:
    upload = make_upload(person)
    make_upload(person)
    fragment = signed_in.get("/cards/", {"id": str(upload.pk)}).content.decode()
    assert fragment.count('data-upload="') == 1
    assert f"upload-{upload.pk}" in fragment


def test_two_drawings_of_the_same_state_are_equal(signed_in: Client, person: User) -> None:
    upload = make_upload(person, status="ready", ready_at=timezone.now())
    address = f"/cards/?id={upload.pk}"
    assert signed_in.get(address).content == signed_in.get(address).content


def test_cards_of_others_and_nonsense_are_left_out(signed_in: Client) -> None:
    others = make_upload(User.objects.create_user("grace"))
    answer = signed_in.get("/cards/", {"id": [str(others.pk), "nonsense"]})
    assert answer.content.decode().strip() == ""


def test_process_again(signed_in: Client, person: User) -> None:
    upload = make_upload(person, status="failed", error_code="x", error_detail="y")
    answer = signed_in.post(f"/uploads/{upload.pk}/reprocess")
    upload.refresh_from_db()
    assert (answer["Location"], upload.status, upload.error_detail) == ("/", "pending", "")


def test_delete(signed_in: Client, person: User) -> None:
    upload = make_upload(person)
    assert signed_in.post(f"/uploads/{upload.pk}/delete")["Location"] == "/"
    assert f"upload-{upload.pk}" not in signed_in.get("/").content.decode()


@pytest.mark.parametrize("action", ["reprocess", "delete"])
def test_another_persons_upload_is_not_there(signed_in: Client, action: str) -> None:
    upload = make_upload(User.objects.create_user("grace"))
    assert signed_in.post(f"/uploads/{upload.pk}/{action}").status_code == 404


@pytest.mark.parametrize("action", ["reprocess", "delete"])
def test_a_get_changes_nothing(signed_in: Client, person: User, action: str) -> None:
    upload = make_upload(person)
    assert signed_in.get(f"/uploads/{upload.pk}/{action}").status_code == 405


def test_account_makes_and_renews_a_token(signed_in: Client, person: User) -> None:
    assert "You have none yet." in signed_in.get("/account/").content.decode()
    signed_in.post("/account/")
    first = Token.objects.get(user=person)
    answer = signed_in.get("/account/")
    assert first.key in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    signed_in.post("/account/")
    assert Token.objects.get(user=person).key != first.key


def test_staff_find_the_admin_and_flower(signed_in: Client, person: User, settings: Any) -> None:
    settings.FLOWER_URL = "http://127.0.0.1:5555/"
    assert settings.FLOWER_URL not in signed_in.get("/").content.decode()
    User.objects.filter(pk=person.pk).update(is_staff=True)
    page = signed_in.get("/").content.decode()
    assert settings.FLOWER_URL in page
    assert 'href="/admin/"' in page


def test_what_is_not_there_has_our_look(client: Client) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


def test_how_much_mail_comes_is_chosen_on_the_account_page(signed_in: Client, person: User) -> None:
    page = signed_in.get("/account/").content.decode()
    assert 'value="digest" checked' in page
    answer = signed_in.post("/account/email", {"email": "none"})
    assert (answer["Location"], told(answer)) == ("/account/", ["Your choice is saved."])
    assert 'value="none" checked' in signed_in.get("/account/").content.decode()


def test_an_unknown_choice_changes_nothing(signed_in: Client, person: User) -> None:
    signed_in.post("/account/email", {"email": "hourly"})
    assert preferences.email_choice(person) == "digest"
