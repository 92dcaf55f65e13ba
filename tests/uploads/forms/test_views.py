"""The pictures of forms are sent at once, by signed-in senders alone, and shown while they are processed."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from processing.storages.media import StorageUnavailable
from tests.articles.models import Article
from tests.conftest import Send
from tests.pages import image_file
from tests.uploads.forms.conftest import Fill
from uploads import completion, services
from uploads.forms import signed_names
from uploads.models import Upload

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("started"), pytest.mark.any_database]

ADDRESS = "/pictures/"


@pytest.fixture
def signed_in(client: Client, owner: User) -> Client:
    """Return a client that is signed in as the owner."""
    client.force_login(owner)
    return client


def name_in(answer: Any) -> str:
    page: str = answer.content.decode()
    return page.partition('data-name="')[2].partition('"')[0]


def test_sent_picture_is_an_upload_that_the_form_may_take(signed_in: Client, owner: User, fill: Fill) -> None:
    answer = signed_in.post(ADDRESS, {"file": image_file()})
    assert answer.status_code == 200
    upload = Upload.objects.get()
    assert (upload.owner, upload.filename, upload.made_by_field) == (owner, "sea.png", True)
    fill(shown=name_in(answer)).save()
    assert Article.objects.get().photo == upload


def test_picture_is_shown_while_it_is_processed(signed_in: Client) -> None:
    answer = signed_in.post(ADDRESS, {"file": image_file()})
    path = reverse("uploads:form_picture", args=[name_in(answer)])
    assert "waiting" in answer.content.decode()
    assert "<picture>" not in signed_in.get(path).content.decode()
    completion.run_here(Upload.objects.get())
    page = signed_in.get(path).content.decode()
    assert "ready" in page
    assert "<picture>" in page
    assert 'data-refresh=""' in page


def test_preview_may_be_taken_only_if_it_was_sent(signed_in: Client, send: Send) -> None:
    for is_new in (True, False):
        name = signed_names.sign(send(), is_new=is_new)
        answer = signed_in.get(reverse("uploads:form_picture", args=[name]))
        assert signed_names.read(name_in(answer)) == signed_names.read(name)


def test_visitor_sends_nothing_at_once(client: Client) -> None:
    answer = client.post(ADDRESS, {"file": image_file()})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert not Upload.objects.exists()


def test_refusal_is_a_problem(signed_in: Client) -> None:
    answer = signed_in.post(ADDRESS, {"file": SimpleUploadedFile("note.jpg", b"no picture")})
    assert answer.status_code == 415
    assert "note.jpg" in answer.json()["detail"]


def test_too_large_file_is_refused(signed_in: Client, settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "MAX_UPLOAD_BYTES": 10}
    answer = signed_in.post(ADDRESS, {"file": image_file()})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_full_quota_refuses(signed_in: Client, settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "QUOTA_BYTES": 10}
    assert signed_in.post(ADDRESS, {"file": image_file()}).status_code == 507


def test_unavailable_storage_is_told(signed_in: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_arguments: Any) -> None:
        raise StorageUnavailable("no answer")

    monkeypatch.setattr(services, "receive_upload", fail)
    answer = signed_in.post(ADDRESS, {"file": image_file()})
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")


def test_missing_file_is_told(signed_in: Client) -> None:
    answer = signed_in.post(ADDRESS, {})
    assert (answer.status_code, answer.json()["code"]) == (400, "no_picture")


def test_token_of_the_form_is_checked(owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert client.post(ADDRESS, {"file": image_file()}).status_code == 403
    assert not Upload.objects.exists()


def test_unknown_and_deleted_pictures_are_not_found(signed_in: Client, send: Send) -> None:
    upload = send()
    name = signed_names.sign(upload, is_new=True)
    services.delete_upload(upload=upload)
    for text in (name, "unknown"):
        assert signed_in.get(reverse("uploads:form_picture", args=[text])).status_code == 404


def test_failure_and_takedown_are_shown(signed_in: Client, send: Send) -> None:
    upload = send()
    Upload.objects.update(status="failed", error_code="unreadable_image", error_detail="It is damaged.")
    path = reverse("uploads:form_picture", args=[signed_names.sign(upload, is_new=False)])
    assert "It is damaged." in signed_in.get(path).content.decode()
    services.take_down(upload=upload, reason="Not yours.")
    page = signed_in.get(path).content.decode()
    assert "Not yours." in page
    assert "<picture>" not in page
