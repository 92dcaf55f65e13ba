"""A picture goes out only after the hooks have passed it."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import translation
from rest_framework.test import APIClient

from tests.conftest import MakeImage, Send
from tests.uploads.hooks import scripted
from tests.uploads.hooks.conftest import Configure, refuse
from uploads import services
from uploads.api import export
from uploads.hooks import verdicts
from uploads.hooks.verdicts import RefusedByHook
from uploads.models import Upload, Verdict
from uploads.serving import links
from uploads.testing import render

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
REASON = "It shows a cat. Upload a dog."


@pytest.fixture
def mine(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def original_of(client: Client, upload: Upload) -> Any:
    """Return the answer to HEAD, which opens no stream, or a problem."""
    path = f"/uploads/{upload.pk}/original"
    response = client.head(path)
    return client.get(path) if response.status_code == 404 else response


def paths(upload: Upload) -> list[str]:
    """Return the addresses of the picture, while it is ready."""
    permanent = [links.rendition_path(upload, row) for row in upload.original.renditions.all()]
    return [f"/i/{upload.pk}/thumb", f"/i/{upload.pk}/large.webp", *permanent]


def status_of(client: Client, path: str) -> int:
    return client.get(path).status_code


def test_nothing_goes_out_before_the_check(mine: Client, send: Send, hook: list[str]) -> None:
    upload = send()
    assert status_of(mine, f"/i/{upload.pk}/thumb") == 202
    response = original_of(mine, upload)
    assert (response.status_code, response.json()["code"]) == (404, "not_checked")
    render(upload)
    assert status_of(mine, f"/i/{upload.pk}/thumb") == 200
    assert original_of(mine, upload).status_code == 200


def test_page_offers_the_original_when_it_may_go_out(mine: Client, send: Send, hook: list[str]) -> None:
    upload = send()
    link = f'href="/uploads/{upload.pk}/original"'
    assert link not in mine.get(f"/uploads/{upload.pk}/").content.decode()
    render(upload)
    assert link in mine.get(f"/uploads/{upload.pk}/").content.decode()


def test_original_goes_out_at_once_without_hooks(mine: Client, send: Send) -> None:
    assert original_of(mine, send()).status_code == 200


def test_passed_original_does_not_show_that_another_owner_has_sent_it(
    mine: Client, send: Send, stranger: User, hook: list[str]
) -> None:
    render(send(by=stranger))
    upload = send()
    assert original_of(mine, upload).json()["code"] == "not_checked"
    assert status_of(mine, f"/i/{upload.pk}/thumb") == 202


def test_nothing_of_a_refused_image_goes_out(mine: Client, send: Send, hook: list[str]) -> None:
    scripted.answer = refuse
    upload = send()
    with pytest.raises(RefusedByHook):
        render(upload)
    for response in (mine.get(f"/i/{upload.pk}/thumb"), original_of(mine, upload)):
        assert response.status_code == 404
        assert (response.json()["code"], response.json()["detail"]) == ("refused_by_hook", REASON)


def test_image_refused_later_is_withdrawn(
    mine: Client, owner: User, send: Send, stranger: User, configure: Configure
) -> None:
    upload = render(send())
    addresses = paths(upload)
    assert {status_of(mine, path) for path in addresses} == {200}
    configure("scripted")
    scripted.answer = refuse
    theirs = send(by=stranger)
    with pytest.raises(RefusedByHook):
        render(theirs)
    assert {status_of(mine, path) for path in addresses} == {404}
    assert original_of(mine, upload).status_code == 404


def test_image_of_before_the_hooks_stays(mine: Client, send: Send, configure: Configure) -> None:
    upload = render(send())
    configure("away")
    assert original_of(mine, upload).status_code == 200
    assert status_of(mine, f"/i/{upload.pk}/thumb") == 200


def test_original_that_was_passed_and_cannot_be_rendered_goes_out(
    mine: Client, send: Send, hook: list[str]
) -> None:
    upload = render(send())
    upload.original.renditions.all().delete()
    Upload.objects.update(status="failed", error_code="processing_failed", thumbnails_ready_at=None)
    assert original_of(mine, upload).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_export_withholds_what_is_refused_or_not_checked(
    owner: User, send: Send, make_image: MakeImage, hook: list[str], rf: Any
) -> None:
    passed = render(send(make_image(seed=1), name="passed.jpg"))
    send(make_image(seed=2), name="waiting.jpg")
    scripted.answer = refuse
    with pytest.raises(RefusedByHook):
        render(send(make_image(seed=3), name="refused.jpg"))
    request = rf.get("/")
    request.user = owner
    body = b"".join(export.archive(person=owner, request=request))
    archive = zipfile.ZipFile(io.BytesIO(body))
    assert [name for name in archive.namelist() if name.startswith("originals/")] == ["originals/passed.jpg"]
    states = {row["filename"]: row["file_state"] for row in json.loads(archive.read("uploads.json"))}
    assert states == {passed.filename: "whole", "waiting.jpg": "withheld", "refused.jpg": "withheld"}


def test_api_refuses_the_same_bytes_with_the_reason(
    client_of: Callable[[User], APIClient],
    send: Send,
    stranger: User,
    make_image: MakeImage,
    hook: list[str],
) -> None:
    scripted.answer = refuse
    with pytest.raises(RefusedByHook):
        render(send())
    file = SimpleUploadedFile("photo.jpg", make_image(), "image/jpeg")
    response = client_of(stranger).post("/api/uploads/", {"file": file}, format="multipart")
    assert (response.status_code, response.json()["code"]) == (422, "refused_by_hook")
    assert response.json()["detail"] == REASON


def test_owner_reads_the_reason_of_the_project_in_every_language(send: Send, hook: list[str]) -> None:
    scripted.answer = refuse
    upload = send()
    with pytest.raises(RefusedByHook):
        render(upload)
    upload.refresh_from_db()
    with translation.override("de"):
        assert upload.failure == REASON


def test_verdict_of_another_list_does_not_count(send: Send, hook: list[str], configure: Configure) -> None:
    scripted.answer = refuse
    upload = send()
    with pytest.raises(RefusedByHook):
        render(upload)
    content_hash = upload.original.content_hash
    with pytest.raises(RefusedByHook):
        verdicts.require_not_refused(content_hash)
    configure("passing")
    verdicts.require_not_refused(content_hash)
    configure()
    verdicts.require_not_refused(content_hash)


def test_staff_delete_a_verdict_and_have_the_bytes_checked_again(
    admin_client: Client, send: Send, hook: list[str]
) -> None:
    scripted.answer = refuse
    upload = send()
    with pytest.raises(RefusedByHook):
        render(upload)
    (verdict,) = Verdict.objects.all()
    path = f"/admin/uploads/verdict/{verdict.pk}"
    page = admin_client.get(f"{path}/change/")
    assert REASON in page.content.decode()
    assert admin_client.get("/admin/uploads/verdict/add/").status_code == 403
    assert admin_client.post(f"{path}/delete/", {"post": "yes"}).status_code == 302
    scripted.answer = bool
    assert render(upload).status == "failed"
    services.reprocess_here(upload=upload)
    upload.refresh_from_db()
    assert upload.status == "ready"


def test_staff_need_the_permission_to_delete_a_verdict(client: Client, owner: User, send: Send) -> None:
    content_hash = send().original.content_hash
    Verdict.objects.create(content_hash=content_hash, passed=False)
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    owner.user_permissions.add(Permission.objects.get(codename="view_verdict"))
    client.force_login(owner)
    path = f"/admin/uploads/verdict/{content_hash}"
    assert client.get(f"{path}/change/").status_code == 200
    assert client.post(f"{path}/delete/", {"post": "yes"}).status_code == 403
    assert Verdict.objects.exists()
