"""The gallery without scripts: upload, list, filter, act on selected images."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from processing.models import Original
from tests.pages import image_file, make_rendition, make_upload, told
from uploads import pipeline
from uploads.models import Upload
from uploads.pages import gallery, listing

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def own_surroundings(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep files in a temporary folder, and start no chains."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STATIC_ROOT = tmp_path
    monkeypatch.setattr(pipeline, "start", lambda _upload: True)


def test_visitor_is_redirected_to_sign_in(client: Client) -> None:
    assert client.get("/")["Location"] == "/accounts/login/?next=/"


def test_empty_gallery_explains_how_to_upload(signed_in: Client) -> None:
    page = signed_in.get("/").content.decode()
    assert "No images yet" in page
    assert 'type="file"' in page
    assert "multiple" in page


def test_several_files_are_accepted(signed_in: Client, person: User) -> None:
    files = [image_file("sea.png", "teal"), image_file("sand.png", "tan")]
    answer = signed_in.post("/", {"file": files, "visibility": "private"})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert told(answer) == ["sea.png uploaded.", "sand.png uploaded."]
    assert {upload.visibility for upload in Upload.objects.filter(owner=person)} == {"private"}


def test_duplicate_is_reported(signed_in: Client, person: User) -> None:
    signed_in.post("/", {"file": image_file()})
    answer = signed_in.post("/", {"file": image_file()})
    assert told(answer)[-1] == "sea.png is already uploaded."
    assert Upload.objects.filter(owner=person).count() == 1


def test_refusal_is_reported_and_other_files_are_accepted(signed_in: Client, person: User) -> None:
    words = SimpleUploadedFile("words.txt", b"no image at all", "text/plain")
    answer = signed_in.post("/", {"file": [words, image_file()]})
    refused, taken = told(answer)
    assert refused.startswith("words.txt is ")
    assert taken == "sea.png uploaded."
    assert Upload.objects.filter(owner=person).count() == 1


def test_oversized_file_is_reported(signed_in: Client, person: User, settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "MAX_UPLOAD_BYTES": 10}
    answer = signed_in.post("/", {"file": image_file()})
    assert "sea.png" in told(answer)[0]
    assert Upload.objects.filter(owner=person).count() == 0


def test_missing_file_is_reported(signed_in: Client) -> None:
    assert told(signed_in.post("/", {"visibility": "private"})) == ["Choose at least one image first."]


def test_form_needs_a_csrf_token(person: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    assert client.post("/", {"file": image_file()}).status_code == 403
    assert Upload.objects.filter(owner=person).count() == 0


def test_unfinished_card_shows_its_colour_and_the_page_reloads(signed_in: Client, person: User) -> None:
    make_upload(person, status="processing", thumbnails_ready_at=timezone.now())
    page = signed_in.get("/").content.decode()
    assert "processing" in page
    assert 'http-equiv="refresh"' in page
    assert 'fill="#123456"' in page
    assert "<img" not in page


def test_ready_card_shows_its_picture_and_links_to_its_page(signed_in: Client, person: User) -> None:
    upload = make_upload(person, status="ready", ready_at=timezone.now())
    make_rendition(upload, preset="medium", width=640)
    make_rendition(upload, preset="thumb", width=256)
    page = signed_in.get("/").content.decode()
    assert f"{upload.original.public_key}/medium-0000000000000000.webp" in page
    assert f'href="/uploads/{upload.pk}/"' in page
    assert 'http-equiv="refresh"' not in page


def test_card_has_the_aspect_ratio_of_its_picture(signed_in: Client, person: User) -> None:
    make_upload(person, size=(3000, 2000))
    page = signed_in.get("/").content.decode()
    (shape,) = re.findall(r"shape-(\d+)", page)
    stylesheet = (settings.BASE_DIR / "uploads/static/uploads/darkroom.css").read_text()
    (ratio,) = re.findall(rf"\.shape-{shape} {{ --ratio: ([0-9.]+); }}", stylesheet)
    assert float(ratio) == pytest.approx(1.5, rel=0.03)


def test_every_aspect_ratio_is_in_the_stylesheet() -> None:
    stylesheet = (settings.BASE_DIR / "uploads/static/uploads/darkroom.css").read_text()
    widths = range(1, 10000)
    shapes = {listing.shape_of(Original(width=width, height=1000)) for width in widths}
    assert shapes == {int(shape) for shape in re.findall(r"\.shape-(\d+)", stylesheet)}


def test_failed_card_shows_the_reason(signed_in: Client, person: User) -> None:
    make_upload(person, status="failed", error_code="unreadable_image", error_detail="It ends too early.")
    assert "failed: It ends too early." in signed_in.get("/").content.decode()


def test_file_name_is_escaped(signed_in: Client, person: User) -> None:
    make_upload(person, filename="<script>alert(1)</script>.png")
    page = signed_in.get("/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.png" in page


def test_gallery_has_no_inline_style_or_script(signed_in: Client, person: User) -> None:
    make_rendition(make_upload(person, status="ready", ready_at=timezone.now()), preset="thumb", width=256)
    page = signed_in.get("/").content.decode()
    assert "style=" not in page
    assert "onclick=" not in page


def many(person: User, count: int) -> list[Upload]:
    """Return uploads, newest first, one second apart."""
    now = timezone.now()
    return [
        make_upload(person, filename=f"{number}.png", created_at=now - timedelta(seconds=number))
        for number in range(count)
    ]


def shown(page: str, uploads: list[Upload]) -> list[int]:
    return [number for number, upload in enumerate(uploads) if f'id="upload-{upload.pk}"' in page]


def test_older_images_are_on_the_next_page(signed_in: Client, person: User) -> None:
    uploads = many(person, listing.PAGE_SIZE + 2)
    first = signed_in.get("/")
    assert shown(first.content.decode(), uploads) == list(range(listing.PAGE_SIZE))
    second = signed_in.get(f"/?{first.context['page'].next_query}").content.decode()
    assert shown(second, uploads) == [listing.PAGE_SIZE, listing.PAGE_SIZE + 1]
    assert "Back to the newest" in second
    assert 'rel="next"' not in second


def test_url_of_a_page_is_stable_when_images_change(signed_in: Client, person: User) -> None:
    uploads = many(person, listing.PAGE_SIZE + 2)
    address = f"/?{signed_in.get('/').context['page'].next_query}"
    make_upload(person, filename="newer.png")
    uploads[listing.PAGE_SIZE - 1].delete()
    rest = [listing.PAGE_SIZE, listing.PAGE_SIZE + 1]
    assert shown(signed_in.get(address).content.decode(), uploads) == rest


def test_images_with_equal_times_are_each_on_one_page(signed_in: Client, person: User) -> None:
    now = timezone.now()
    uploads = [make_upload(person, created_at=now) for _ in range(listing.PAGE_SIZE + 5)]
    first = signed_in.get("/")
    second = signed_in.get(f"/?{first.context['page'].next_query}")
    numbers = [shown(page.content.decode(), uploads) for page in (first, second)]
    assert sorted(numbers[0] + numbers[1]) == list(range(len(uploads)))


@pytest.mark.parametrize("before", ["nonsense", "1.2", "9" * 30 + ".0-" + "0" * 32, "1.000000-xyz"])
def test_invalid_position_shows_the_newest(signed_in: Client, person: User, before: str) -> None:
    upload = make_upload(person)
    assert f"upload-{upload.pk}" in signed_in.get("/", {"before": before}).content.decode()


def test_images_are_filtered_by_status_and_name(signed_in: Client, person: User) -> None:
    uploads = [
        make_upload(person, filename="Sea.png", status="ready"),
        make_upload(person, filename="sea view.png", status="failed"),
        make_upload(person, filename="sand.png", status="ready"),
    ]
    found = {
        (status, name): shown(signed_in.get("/", {"status": status, "q": name}).content.decode(), uploads)
        for status, name in [("ready", ""), ("", "SEA"), ("ready", "sea"), ("gone", ""), ("", "%")]
    }
    assert list(found.values()) == [[0, 2], [0, 1], [0], [0, 1, 2], []]


def test_search_without_matches_says_so(signed_in: Client, person: User) -> None:
    make_upload(person)
    assert "No images match." in signed_in.get("/", {"q": "mountain"}).content.decode()


def test_next_page_keeps_the_filter(signed_in: Client, person: User) -> None:
    many(person, listing.PAGE_SIZE + 1)
    following = signed_in.get("/", {"q": "PNG"}).context["page"].next_query
    assert following.startswith("q=PNG&before=")


def test_gallery_uses_a_fixed_number_of_queries(
    signed_in: Client, person: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        make_rendition(make_upload(person, filename=f"{number}.png"), preset="thumb", width=256)
    with django_assert_max_num_queries(10):
        signed_in.get("/")


def test_requested_cards_are_rendered_alone(signed_in: Client, person: User) -> None:
    upload = make_upload(person)
    make_upload(person)
    fragment = signed_in.get("/cards/", {"id": str(upload.pk)}).content.decode()
    assert fragment.count('data-upload="') == 1
    assert f"upload-{upload.pk}" in fragment


def test_cards_of_others_and_invalid_ids_are_omitted(signed_in: Client) -> None:
    others = make_upload(User.objects.create_user("grace"))
    answer = signed_in.get("/cards/", {"id": [str(others.pk), "nonsense"]})
    assert answer.content.decode().strip() == ""


def act(client: Client, action: str, uploads: list[Upload], **extra: Any) -> Any:
    return client.post(f"/uploads/selected/{action}", {"id": [str(upload.pk) for upload in uploads]}, **extra)


def test_selected_images_are_reprocessed(signed_in: Client, person: User) -> None:
    uploads = [make_upload(person, status=status) for status in ("failed", "ready", "ready")]
    answer = act(signed_in, "reprocess", uploads[:2])
    assert (answer["Location"], told(answer)) == ("/", ["Reprocessing 2 images."])
    for upload in uploads:
        upload.refresh_from_db()
    assert [upload.status for upload in uploads] == ["pending", "pending", "ready"]


@pytest.mark.parametrize("visibility", ["private", "unlisted"])
def test_visibility_of_selected_images_is_changed(signed_in: Client, person: User, visibility: str) -> None:
    uploads = [make_upload(person, visibility=value) for value in Upload.Visibility.values]
    act(signed_in, visibility, uploads)
    assert set(Upload.objects.values_list("visibility", flat=True)) == {visibility}


def undo(client: Client, answer: Any, **extra: Any) -> Any:
    message = list(get_messages(answer.wsgi_request))[-1]
    return client.post("/uploads/restore", {"deleted_at": message.extra_tags}, **extra)


def test_selected_images_are_deleted_and_restored_together(signed_in: Client, person: User) -> None:
    uploads = many(person, 3)
    act(signed_in, "delete", uploads[2:])
    answer = act(signed_in, "delete", uploads[:2])
    assert shown(signed_in.get("/").content.decode(), uploads) == []
    back = undo(signed_in, answer)
    assert told(back)[-1] == "2 images restored."
    assert shown(signed_in.get("/").content.decode(), uploads) == [0, 1]


def test_undo_is_offered_after_a_deletion(signed_in: Client, person: User) -> None:
    act(signed_in, "delete", [make_upload(person)])
    page = signed_in.get("/").content.decode()
    assert "1 image deleted." in page
    assert 'action="/uploads/restore"' in page


def test_purged_image_cannot_be_restored(signed_in: Client, person: User) -> None:
    upload = make_upload(person)
    answer = act(signed_in, "delete", [upload])
    Upload.objects.all().delete()
    assert (
        told(undo(signed_in, answer))[-1]
        == "Nothing to restore: the images are deleted for good, or were uploaded again."
    )


@pytest.mark.parametrize("deleted_at", ["", "yesterday", "2026-01-01", "2026-99-99T00:00:00Z"])
def test_undo_with_another_time_restores_nothing(signed_in: Client, deleted_at: str) -> None:
    answer = signed_in.post("/uploads/restore", {"deleted_at": deleted_at})
    assert told(answer) == ["Nothing to restore: the images are deleted for good, or were uploaded again."]


def test_deletion_of_another_owner_is_not_undone(signed_in: Client) -> None:
    moment = timezone.now()
    upload = make_upload(User.objects.create_user("grace"), deleted_at=moment)
    signed_in.post("/uploads/restore", {"deleted_at": moment.isoformat()})
    upload.refresh_from_db()
    assert upload.deleted_at == moment


def test_htmx_response_lists_the_changed_uploads(signed_in: Client, person: User) -> None:
    uploads = many(person, 2)
    answer = act(signed_in, "private", uploads, headers=HTMX)
    changed = json.loads(answer["HX-Trigger"])["uploads-changed"]["ids"]
    assert set(changed) == {str(upload.pk) for upload in uploads}
    assert "2 images are now private." in answer.content.decode()
    assert "<html" not in answer.content.decode()


def test_empty_selection_is_reported(signed_in: Client) -> None:
    assert told(act(signed_in, "delete", [])) == ["Select at least one image first."]


@pytest.mark.parametrize("action", sorted(gallery._ACTIONS))
def test_images_of_another_owner_are_not_changed(signed_in: Client, action: str) -> None:
    upload = make_upload(User.objects.create_user("grace"), status="ready")
    before = Upload.objects.values().get()
    act(signed_in, action, [upload])
    assert Upload.objects.values().get() == before


def test_unknown_action_is_not_found(signed_in: Client, person: User) -> None:
    assert act(signed_in, "frame", [make_upload(person)]).status_code == 404


def test_selected_action_refuses_get(signed_in: Client) -> None:
    assert signed_in.get("/uploads/selected/delete").status_code == 405


def test_staff_see_links_to_admin_and_flower(signed_in: Client, person: User, settings: Any) -> None:
    settings.FLOWER_URL = "http://127.0.0.1:5555/"
    assert settings.FLOWER_URL not in signed_in.get("/").content.decode()
    User.objects.filter(pk=person.pk).update(is_staff=True)
    page = signed_in.get("/").content.decode()
    assert settings.FLOWER_URL in page
    assert 'href="/admin/"' in page


def test_page_not_found_uses_the_design_of_the_site(client: Client) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "Page not found" in answer.content.decode()
