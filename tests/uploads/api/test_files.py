"""Replacing the file of an upload over the API."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from rest_framework.test import APIClient

from tests.conftest import MakeImage, Send, key_of
from tests.uploads.receiving.test_body_guard import FORM, Client, form
from uploads import completion
from uploads.models import Event, Quota, Upload

ClientOf = Callable[[User], APIClient]

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def api(client_of: ClientOf, owner: User) -> APIClient:
    return client_of(owner)


def put(client: APIClient, pk: object, *files: bytes, name: str = "sea.jpg", **headers: str) -> Any:
    sent = [SimpleUploadedFile(name, data, "image/jpeg") for data in files]
    body = encode_multipart(BOUNDARY, {"file": sent})
    address = f"/api/uploads/{pk}/file/"
    return client.put(address, body, content_type=MULTIPART_CONTENT, headers=headers)


def test_file_is_replaced(api: APIClient, send: Send, make_image: MakeImage) -> None:
    upload = send()
    completion.run_here(upload)
    before = api.get(f"/api/uploads/{upload.pk}/").json()
    answer = put(api, upload.pk, make_image(width=300, seed=1))
    assert answer.status_code == 200
    after = answer.json()
    same = ("id", "url", "image_url", "created_at", "visibility")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert (after["status"], after["width"], after["filename"]) == ("pending", 300, "sea.jpg")
    assert (after["ready_at"], after["renditions"], after["duplicate"]) == (None, [], False)
    assert after["replaced_at"]
    assert after["content_hash"] != before["content_hash"]
    assert answer.headers["ETag"] == f'"{after["content_hash"]}"'
    assert Event.objects.get(name="upload.replaced").data == {"id": str(upload.pk), "filename": "sea.jpg"}


def test_same_file_again_is_a_duplicate(api: APIClient, send: Send, make_image: MakeImage) -> None:
    upload = send()
    answer = put(api, upload.pk, make_image(), name="other.jpg")
    assert (answer.status_code, answer.json()["duplicate"]) == (200, True)
    assert answer.json()["filename"] == "photo.jpg"
    assert not Event.objects.filter(name="upload.replaced").exists()


def test_file_of_another_own_upload_is_a_conflict(api: APIClient, send: Send, make_image: MakeImage) -> None:
    upload, other = send(), send(make_image(seed=1))
    answer = put(api, upload.pk, make_image(seed=1))
    assert answer.status_code == 409
    body = answer.json()
    assert (body["code"], body["upload"]) == ("already_uploaded", str(other.pk))


def test_file_is_replaced_only_if_it_matches(api: APIClient, send: Send, make_image: MakeImage) -> None:
    upload = send()
    current = upload.original.content_hash
    for wrong in ('"0"', f'W/"{current}"', current, ""):
        answer = put(api, upload.pk, make_image(seed=1), if_match=wrong)
        assert (answer.status_code, answer.json()["code"]) == (412, "file_changed")
    answer = put(api, upload.pk, make_image(seed=1), if_match=f'"0", "{current}"')
    assert answer.status_code == 200
    # A client that repeats a request whose answer was lost gets the same answer.
    assert put(api, upload.pk, make_image(seed=1), if_match=f'"{current}"').status_code == 200
    assert put(api, upload.pk, make_image(seed=2), if_match="*").status_code == 200


def test_upload_of_another_owner_is_not_found(
    api: APIClient, send: Send, stranger: User, make_image: MakeImage
) -> None:
    for pk in (send(by=stranger).pk, uuid4()):
        answer = put(api, pk, make_image(seed=1))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_request_without_one_file_is_refused(api: APIClient, send: Send, make_image: MakeImage) -> None:
    upload = send()
    answer = put(api, upload.pk)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    answer = put(api, upload.pk, make_image(seed=1), make_image(seed=2))
    assert (answer.status_code, answer.json()["code"]) == (400, "several_files")
    assert Upload.objects.get().version == 0


def test_other_methods_are_refused(api: APIClient, send: Send) -> None:
    address = f"/api/uploads/{send().pk}/file/"
    for method in ("get", "post", "patch", "delete"):
        assert getattr(api, method)(address).status_code == 405


@pytest.mark.parametrize("scope", ["read", "upload"])
def test_token_needs_the_scope_all(scope: str, send: Send, owner: User, make_image: MakeImage) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {key_of(owner, scope)}")
    answer = put(client, send().pk, make_image(seed=1))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


@pytest.mark.django_db(transaction=True)
class TestBodyGuard:
    """The whole web process, in which the body guard decides before the body is read."""

    def client(self, upload: Upload, token: str, **headers: str) -> Client:
        client = Client(f"/api/uploads/{upload.pk}/file/", token=token, content_type=FORM, **headers)
        client.scope["method"] = "PUT"
        return client

    def test_large_file_is_accepted(self, owner: User, send: Send, make_image: MakeImage) -> None:
        client = self.client(send(), key_of(owner))
        data = make_image(seed=1) + bytes(4 << 20)
        assert client.send(form(data)) == 200
        assert client.problem["byte_size"] == len(data)

    @pytest.mark.parametrize("scope", ["read", "upload"])
    def test_token_of_another_scope_is_refused_unread(self, scope: str, owner: User, send: Send) -> None:
        client = self.client(send(), key_of(owner, scope), content_length=str(1 << 20))
        assert client.send(bytes(1 << 20)) == 403
        assert client.taken_unanswered == 0
        assert client.problem["code"] == "scope_missing"

    def test_rate_limit_counts_replaced_files(
        self, owner: User, send: Send, settings: Any, redis_client: Any
    ) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "UPLOADS_PER_PERSON": "1/hour"}
        upload, key = send(), key_of(owner)
        assert self.client(upload, key).send(form(b"no image")) == 415
        client = self.client(upload, key, content_length=str(1 << 20))
        assert client.send(bytes(1 << 20)) == 429
        assert client.taken_unanswered == 0

    def test_person_with_a_full_quota_can_replace_a_file(
        self, owner: User, send: Send, make_image: MakeImage
    ) -> None:
        upload = send()
        Quota.objects.update(max_images=1, max_bytes=upload.original.byte_size)
        assert self.client(upload, key_of(owner)).send(form(make_image(width=90, seed=1))) == 200
        client = self.client(upload, key_of(owner))
        assert client.send(form(make_image(width=1600, seed=2))) == 507
        assert client.problem["code"] == "quota_exceeded"
