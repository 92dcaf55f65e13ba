"""The REST API and its contract: every status, header and field."""

import io
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.middleware.csrf import get_token
from django.test import RequestFactory
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from kombu.exceptions import OperationalError
from PIL import Image, ImageFile
from redis import Redis
from rest_framework.test import APIClient

from processing import conf
from processing.images.reading.header import read_header
from processing.models import Original
from tests.conftest import MakeImage, Send, assert_storage_matches_rows, stored_keys
from tests.processing.bombs import scan_bomb
from uploads import completion, pipeline, services
from uploads.models import Upload

ClientOf = Callable[[User], APIClient]

FIELDS = {
    "id", "status", "filename", "content_hash", "format", "width", "height", "byte_size", "created_at",
    "ready_at", "error", "placeholder", "metadata", "taken_at", "truncated", "focus", "alt", "visibility",
    "duplicate", "steps", "renditions", "url", "image_url", "takedown", "replaced_at",
}  # fmt: skip

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def api(client_of: ClientOf, owner: User) -> APIClient:
    return client_of(owner)


@pytest.fixture
def incoming() -> Path:
    return Path(django_settings.FILE_UPLOAD_TEMP_DIR)


def post(
    client: APIClient,
    data: bytes,
    *,
    name: str = "photo.jpg",
    content_type: str = "text/plain",
    **fields: str,
) -> Any:
    file = SimpleUploadedFile(name, data, content_type)
    return client.post("/api/uploads/", {"file": file, **fields}, format="multipart")


def assert_problem(response: Any, status: int, code: str) -> None:
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert {"type", "title", "status", "detail", "code"} <= set(body)
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"]
    assert body["title"]
    assert body["detail"]


def finish(upload: Upload) -> None:
    completion.run_here(upload)


class TestSend:
    def test_new_image_returns_its_upload(self, api: APIClient, make_image: MakeImage) -> None:
        data = make_image(width=60, height=40)
        response = post(api, data, name="sea.jpg")
        body = response.json()
        upload = Upload.objects.get()
        assert response.status_code == 201
        assert response.headers["Content-Type"] == "application/json"
        assert set(body) == FIELDS
        assert body == {
            "id": str(upload.pk),
            "status": "pending",
            "filename": "sea.jpg",
            "content_hash": upload.original.content_hash,
            "format": "jpeg",
            "width": 60,
            "height": 40,
            "byte_size": len(data),
            "created_at": body["created_at"],
            "replaced_at": None,
            "ready_at": None,
            "error": None,
            "placeholder": None,
            "metadata": None,
            "taken_at": None,
            "truncated": False,
            "focus": None,
            "alt": "",
            "visibility": "unlisted",
            "takedown": None,
            "duplicate": False,
            "steps": [
                {"name": name, "state": "waiting", "started_at": None, "finished_at": None}
                for name in ("generate_thumbnails", "resize_image", "notify_owner")
            ],
            "renditions": [],
            "url": f"http://testserver/api/uploads/{upload.pk}/",
            "image_url": f"http://testserver/i/{upload.pk}/large",
        }
        assert parse_datetime(body["created_at"]) == upload.created_at
        assert response.headers["Location"] == body["url"]

    def test_ready_upload_has_every_field(self, api: APIClient, make_image: MakeImage) -> None:
        pk = post(api, make_image()).json()["id"]
        finish(Upload.objects.get())
        body = api.get(f"/api/uploads/{pk}/").json()
        assert body["status"] == "ready"
        assert body["ready_at"]
        assert set(body["placeholder"]) == {"thumbhash", "color"}
        assert all(set(step) == {"name", "state", "started_at", "finished_at"} for step in body["steps"])
        assert [step["state"] for step in body["steps"]] == ["done"] * 3
        assert len(body["renditions"]) == 10
        for rendition in body["renditions"]:
            assert set(rendition) == {"preset", "format", "url", "width", "height", "byte_size"}
            answer = api.get(rendition["url"])
            assert (answer.status_code, len(answer.content)) == (200, rendition["byte_size"])
            assert answer.headers["Content-Type"] == f"image/{rendition['format']}"
        assert [row["width"] for row in body["renditions"]] == sorted(
            row["width"] for row in body["renditions"]
        )

    def test_same_bytes_are_a_duplicate(self, api: APIClient, make_image: MakeImage) -> None:
        first = post(api, make_image()).json()
        response = post(api, make_image(), name="another name.jpg")
        assert response.status_code == 200
        assert response.json() == {**first, "duplicate": True}
        assert api.get(first["url"]).json()["duplicate"] is False

    def test_shared_original_is_not_visible_to_its_owners(
        self, api: APIClient, client_of: ClientOf, stranger: User, make_image: MakeImage
    ) -> None:
        post(api, make_image())
        first = Upload.objects.get()
        finish(first)
        before = api.get(f"/api/uploads/{first.pk}/").json()
        response = post(client_of(stranger), make_image())
        body = response.json()
        assert response.status_code == 201
        assert (body["duplicate"], body["status"], body["renditions"]) == (False, "pending", [])
        assert (body["placeholder"], body["ready_at"]) == (None, None)
        assert {step["state"] for step in body["steps"]} == {"waiting"}
        assert body["created_at"] != before["created_at"]
        assert Original.objects.count() == 1
        assert api.get(f"/api/uploads/{first.pk}/").json() == before
        assert client_of(stranger).get(f"/i/{body['id']}/small").status_code == 202
        finish(Upload.objects.get(pk=body["id"]))
        assert client_of(stranger).get(body["url"]).json()["status"] == "ready"
        assert api.get(f"/api/uploads/{first.pk}/").json() == before

    def test_visibility_can_be_set_on_upload(self, api: APIClient, make_image: MakeImage) -> None:
        body = post(api, make_image(), visibility="private").json()
        assert body["visibility"] == "private"
        assert body["image_url"] == f"http://testserver/i/{body['id']}/large"
        assert api.get(body["image_url"]).status_code == 202
        assert APIClient().get(body["image_url"]).status_code == 404

    def test_unknown_visibility_is_refused(self, api: APIClient, make_image: MakeImage) -> None:
        assert_problem(post(api, make_image(), visibility="everybody"), 400, "invalid")
        assert stored_keys() == set()

    @pytest.mark.slow
    def test_web_process_decodes_no_pixels(
        self, api: APIClient, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        images = [
            make_image(format=format, mode=mode)
            for format, mode in [
                ("JPEG", "RGB"),
                ("PNG", "RGBA"),
                ("PNG", "L"),
                ("WEBP", "RGBA"),
                ("GIF", "RGB"),
                ("AVIF", "RGB"),
                ("HEIF", "RGB"),
            ]
        ]

        def refuse(*_arguments: object, **_options: object) -> None:
            raise AssertionError("a pixel was decoded in the web process")

        for owner_of_load in (Image.Image, ImageFile.ImageFile):
            monkeypatch.setattr(owner_of_load, "load", refuse)
        assert [post(api, data).status_code for data in images] == [201] * len(images)
        # The renderer that reads headers is another process, which is not patched.
        for data in images:
            assert read_header(io.BytesIO(data), name="image", limits=conf.limits()).width

    def test_incoming_folder_is_empty_after_an_upload(
        self, api: APIClient, make_image: MakeImage, incoming: Path
    ) -> None:
        post(api, make_image())
        post(api, make_image())
        assert list(incoming.iterdir()) == []
        assert_storage_matches_rows()

    def test_file_name_is_display_text(self, api: APIClient, make_image: MakeImage) -> None:
        names = ["../../etc/passwd", "<script>.jpg", "ü 😀.jpg", 'a"b.jpg', "x" * 300 + ".jpg"]
        bodies = [post(api, make_image(seed=seed), name=name).json() for seed, name in enumerate(names)]
        assert [body["filename"] for body in bodies[:4]] == ["passwd", "<script>.jpg", "ü 😀.jpg", 'a"b.jpg']
        assert len(bodies[4]["filename"]) <= 255
        assert_storage_matches_rows()


class TestRefuse:
    def test_damaged_file_is_refused(self, api: APIClient, make_image: MakeImage) -> None:
        assert_problem(post(api, make_image()[:12]), 400, "unreadable_image")

    def test_oversized_file_is_refused(
        self, api: APIClient, make_image: MakeImage, incoming: Path, settings: Any
    ) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "MAX_UPLOAD_BYTES": 1000}
        response = post(api, make_image(), name="sea.jpg")
        assert_problem(response, 413, "too_large")
        assert "sea.jpg" in response.json()["detail"]
        assert list(incoming.iterdir()) == []

    def test_oversized_file_is_refused_with_a_session(
        self, owner: User, make_image: MakeImage, settings: Any
    ) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "MAX_UPLOAD_BYTES": 1000}
        client = APIClient()
        client.force_login(owner)
        assert_problem(post(client, make_image()), 413, "too_large")

    @pytest.mark.parametrize(
        "data", [b"", b"words", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"BM" + bytes(99)]
    )
    def test_file_that_is_no_image_is_refused(self, api: APIClient, data: bytes) -> None:
        assert_problem(post(api, data), 415, "unsupported_format")

    def test_false_extension_is_refused(self, api: APIClient) -> None:
        response = post(api, b"8BPS" + bytes(40), name="holiday.jpg", content_type="image/jpeg")
        assert_problem(response, 415, "unsupported_format")
        sentence = "holiday.jpg is a Photoshop file. Upload JPEG, PNG, GIF, WebP, AVIF or HEIC."
        assert response.json()["detail"] == sentence

    def test_picture_with_another_extension_is_accepted(self, api: APIClient, make_image: MakeImage) -> None:
        response = post(api, make_image(format="PNG"), name="page.html", content_type="text/html")
        assert (response.status_code, response.json()["format"]) == (201, "png")

    def test_too_many_pixels_are_refused(self, api: APIClient, make_image: MakeImage, settings: Any) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "MAX_PIXELS": 1000}
        assert_problem(post(api, make_image()), 422, "too_many_pixels")

    def test_too_much_work_for_a_decoder_is_refused(self, api: APIClient) -> None:
        response = post(api, scan_bomb((14_000, 14_000), 2500), name="sea.jpg")
        assert_problem(response, 422, "too_many_pixels")
        assert response.json()["detail"].startswith(
            "sea.jpg is stored in a form that takes too long to decode."
        )

    def test_missing_file_is_refused(self, api: APIClient) -> None:
        response = api.post("/api/uploads/", {"visibility": "private"}, format="multipart")
        assert_problem(response, 400, "invalid")
        assert response.json()["detail"].startswith("file: ")

    def test_text_instead_of_a_file_is_refused(self, api: APIClient) -> None:
        assert_problem(api.post("/api/uploads/", {"file": "words"}, format="json"), 400, "invalid")

    @pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=b"])
    def test_malformed_body_is_refused(self, api: APIClient, content_type: str) -> None:
        response = api.post("/api/uploads/", b"nonsense", content_type=content_type)
        assert response.status_code == 400
        assert response.headers["Content-Type"] == "application/problem+json"

    def test_truncated_body_is_refused(self, api: APIClient, incoming: Path) -> None:
        body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + bytes(5000)
        assert_problem(
            api.post("/api/uploads/", body, content_type="multipart/form-data; boundary=b"), 400, "invalid"
        )
        assert list(incoming.iterdir()) == []

    def test_unsupported_media_type_is_refused(self, api: APIClient) -> None:
        response = api.post("/api/uploads/", b"words", content_type="text/plain")
        assert_problem(response, 415, "unsupported_media_type")

    def test_malformed_json_is_refused(self, api: APIClient) -> None:
        assert_problem(
            api.post("/api/uploads/", b"{", content_type="application/json"), 400, "malformed_request"
        )

    def test_unavailable_storage_is_a_problem(
        self, api: APIClient, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_arguments: object) -> None:
            raise OSError("No space left on device")

        monkeypatch.setattr(default_storage, "save", refuse)
        response = post(api, make_image())
        assert_problem(response, 503, "storage_unavailable")
        assert response.headers["Retry-After"] == "60"

    def test_unsupported_method_is_refused(self, api: APIClient, send: Send) -> None:
        assert_problem(api.put(f"/api/uploads/{send().pk}/", {}, format="json"), 405, "method_not_allowed")


class TestSignIn:
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_request_without_credentials_is_refused(self, method: str) -> None:
        response = getattr(APIClient(), method)("/api/uploads/")
        assert_problem(response, 401, "not_authenticated")
        assert response.headers["WWW-Authenticate"] == "Token"

    def test_wrong_token_is_refused(self, db: None) -> None:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION="Token wrong")
        assert_problem(client.get("/api/uploads/"), 401, "authentication_failed")

    def test_session_needs_a_csrf_token(self, owner: User, make_image: MakeImage) -> None:
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(owner)
        assert_problem(post(client, make_image()), 403, "permission_denied")
        assert not Upload.objects.exists()
        request = RequestFactory().get("/")
        token = get_token(request)
        client.cookies["csrftoken"] = request.META["CSRF_COOKIE"]
        response = client.post(
            "/api/uploads/",
            {"file": SimpleUploadedFile("a.jpg", make_image())},
            format="multipart",
            headers={"X-CSRFToken": token},
        )
        assert response.status_code == 201

    def test_token_needs_no_csrf_token(self, client_of: ClientOf, owner: User, make_image: MakeImage) -> None:
        client = client_of(owner)
        client.handler.enforce_csrf_checks = True
        assert post(client, make_image()).status_code == 201


class TestSeveralFiles:
    def test_several_files_in_one_request_are_refused(self, api: APIClient, make_image: MakeImage) -> None:
        files = [SimpleUploadedFile(f"{seed}.jpg", make_image(seed=seed), "image/jpeg") for seed in range(2)]
        response = api.post("/api/uploads/", {"file": files}, format="multipart")
        assert response.status_code == 400
        assert response.json()["code"] == "several_files"
        assert response.json()["detail"] == "The request contains several files. Send one file per request."
        assert not Upload.objects.exists()
        assert stored_keys() == set()


class TestUnknownParameters:
    @pytest.mark.parametrize("path", ["/api/uploads/", "/api/notices/", "/api/webhooks/"])
    def test_unknown_query_parameter_is_refused(self, path: str, api: APIClient) -> None:
        response = api.get(path, {"state": "ready"})
        assert response.status_code == 400
        assert response.json()["code"] == "invalid"
        assert response.json()["errors"] == {"state": ["This list does not support this parameter."]}
        assert api.get(path, {"page_size": 5}).status_code == 200


class TestList:
    def test_uploads_are_paginated_newest_first(
        self, api: APIClient, send: Send, make_image: MakeImage
    ) -> None:
        uploads = [send(make_image(seed=seed)) for seed in range(5)]
        answer = api.get("/api/uploads/", {"page_size": 2}).json()
        assert set(answer) == {"next", "previous", "results"}
        assert set(answer["results"][0]) == FIELDS
        send(make_image(seed=99))  # a new upload does not move the following pages
        ids = [result["id"] for result in answer["results"]]
        while answer["next"]:
            assert "cursor=" in answer["next"]
            answer = api.get(answer["next"]).json()
            ids += [result["id"] for result in answer["results"]]
        assert ids == [str(upload.pk) for upload in reversed(uploads)]
        assert api.get(answer["previous"]).status_code == 200

    def test_uploads_with_equal_times_are_all_listed(
        self, api: APIClient, send: Send, make_image: MakeImage
    ) -> None:
        for seed in range(5):
            send(make_image(seed=seed))
        Upload.objects.update(created_at=timezone.now() - timedelta(days=1))
        ids, address = [], "/api/uploads/?page_size=2"
        while address:
            answer = api.get(address).json()
            ids += [result["id"] for result in answer["results"]]
            address = answer["next"]
        assert len(ids) == len(set(ids)) == 5

    def test_uploads_are_filtered_by_status(self, api: APIClient, send: Send, make_image: MakeImage) -> None:
        uploads = {}
        for seed, status in enumerate(Upload.Status.values):
            uploads[status] = send(make_image(seed=seed))
            Upload.objects.filter(pk=uploads[status].pk).update(status=status)
        for status, upload in uploads.items():
            results = api.get("/api/uploads/", {"status": status}).json()["results"]
            assert [result["id"] for result in results] == [str(upload.pk)]

    @pytest.mark.parametrize("status", ["done", "", "READY"])
    def test_unknown_status_is_refused(self, api: APIClient, status: str) -> None:
        assert_problem(api.get("/api/uploads/", {"status": status}), 400, "invalid")

    def test_invalid_cursor_is_not_found(self, api: APIClient) -> None:
        assert_problem(api.get("/api/uploads/", {"cursor": "nonsense"}), 404, "not_found")

    def test_list_contains_only_own_uploads(self, api: APIClient, send: Send, stranger: User) -> None:
        send(by=stranger)
        assert api.get("/api/uploads/").json() == {"next": None, "previous": None, "results": []}

    def test_list_uses_a_fixed_number_of_queries(
        self, api: APIClient, send: Send, make_image: MakeImage, django_assert_max_num_queries: Any
    ) -> None:
        for seed in range(6):
            services.set_focus(upload=send(make_image(seed=seed)), point=(seed / 10, 0))
        with django_assert_max_num_queries(5):
            api.get("/api/uploads/")


class TestOne:
    def test_failed_upload_has_its_reason(self, api: APIClient, send: Send) -> None:
        upload = send()
        Upload.objects.update(status="failed", error_code="unreadable_image", error_detail="It is damaged.")
        body = api.get(f"/api/uploads/{upload.pk}/").json()
        assert body["status"] == "failed"
        assert body["error"] == {"code": "unreadable_image", "detail": "It is damaged."}

    def test_failed_step_is_shown(self, api: APIClient, send: Send) -> None:
        upload = send()
        upload.steps.create(name="generate_thumbnails", started_at=timezone.now(), finished_at=timezone.now())
        upload.steps.create(name="resize_image", started_at=timezone.now())
        address = f"/api/uploads/{upload.pk}/"
        assert [step["state"] for step in api.get(address).json()["steps"]] == ["done", "running", "waiting"]
        Upload.objects.update(status="failed")
        assert [step["state"] for step in api.get(address).json()["steps"]] == ["done", "failed", "waiting"]

    def test_visibility_can_be_changed(self, api: APIClient, send: Send) -> None:
        address = f"/api/uploads/{send().pk}/"
        for visibility in ("private", "unlisted"):
            response = api.patch(address, {"visibility": visibility}, format="json")
            assert response.status_code == 200
            assert set(response.json()) == FIELDS
            assert response.json()["visibility"] == api.get(address).json()["visibility"] == visibility

    @pytest.mark.parametrize("value", ["everybody", None, 1, ["private"]])
    def test_change_to_an_unknown_visibility_is_refused(
        self, api: APIClient, send: Send, value: object
    ) -> None:
        response = api.patch(f"/api/uploads/{send().pk}/", {"visibility": value}, format="json")
        assert_problem(response, 400, "invalid")

    def test_focal_point_is_set_and_removed(self, api: APIClient, send: Send) -> None:
        upload = send()
        finish(upload)
        address = f"/api/uploads/{upload.pk}/"
        assert api.get(address).json()["focus"] is None
        answer = api.patch(address, {"focus": {"x": 0.31, "y": 0.40049}}, format="json")
        assert answer.status_code == 200
        assert set(answer.json()) == FIELDS
        assert (answer.json()["focus"], answer.json()["status"]) == ({"x": 0.31, "y": 0.4}, "pending")
        finish(upload)
        body = api.get(address).json()
        assert body["status"] == "ready"
        thumbnails = [row["url"] for row in body["renditions"] if row["preset"] == "thumb"]
        assert len(thumbnails) == 2
        assert all("-310.400." in url and api.get(url).status_code == 200 for url in thumbnails)
        assert len(body["renditions"]) == 10
        assert api.patch(address, {"focus": None}, format="json").json()["focus"] is None

    def test_text_alternative_is_set_and_removed(self, api: APIClient, send: Send) -> None:
        address = f"/api/uploads/{send().pk}/"
        for sent, kept in (("The\tsea\nat  dawn ", "The sea at dawn"), ("", "")):
            answer = api.patch(address, {"alt": sent}, format="json")
            assert (answer.status_code, answer.json()["alt"]) == (200, kept)
            assert api.get(address).json()["alt"] == kept

    @pytest.mark.parametrize("value", [None, "a" * 1001, "a\0b", ["The sea"]])
    def test_invalid_text_alternative_is_refused(self, api: APIClient, send: Send, value: object) -> None:
        response = api.patch(f"/api/uploads/{send().pk}/", {"alt": value}, format="json")
        assert_problem(response, 400, "invalid")

    @pytest.mark.parametrize(
        "value",
        [
            *["", "0.3,0.4", 1, [0.3, 0.4], {}, {"x": 0.3}, {"x": 0.3, "y": None}],
            *[{"x": 0.3, "y": y} for y in (1.001, -0.001, "nan", "inf", "left", [0], 1e999)],
        ],
    )
    def test_invalid_focal_point_is_refused(self, api: APIClient, send: Send, value: object) -> None:
        upload = send()
        body = json.dumps({"focus": value, "visibility": "private"})
        response = api.patch(f"/api/uploads/{upload.pk}/", body, content_type="application/json")
        assert response.status_code == 400
        if value != {"x": 0.3, "y": 1e999}:  # not valid JSON
            assert response.json()["detail"] == "focus: Send x and y, each from 0 to 1, or null."
        upload.refresh_from_db()
        assert (upload.focus, upload.visibility) == (None, "unlisted")

    def test_metadata_is_shown_after_the_first_step(self, api: APIClient, send: Send, stranger: User) -> None:
        finish(send(by=stranger))
        upload = send()
        address = f"/api/uploads/{upload.pk}/"
        assert api.get(address).json()["metadata"] is None
        finish(upload)
        assert api.get(address).json()["metadata"] == {
            "camera": "",
            "profile": "",
            "frames": 1,
            "gps": False,
            "taken_at": None,
        }

    @pytest.mark.parametrize("taken_at", ["2020-02-29T23:59:59-03:30", "2020-02-29T23:59:59", None])
    def test_capture_time_is_shown_after_the_first_step(
        self, api: APIClient, send: Send, taken_at: str | None
    ) -> None:
        upload = send()
        Original.objects.update(metadata={"taken_at": taken_at})
        assert api.get(f"/api/uploads/{upload.pk}/").json()["taken_at"] is None
        Upload.objects.update(thumbnails_ready_at=upload.created_at)
        body = api.get(f"/api/uploads/{upload.pk}/").json()
        assert (body["taken_at"], body["metadata"]["taken_at"]) == (taken_at, taken_at)

    def test_truncated_is_shown_after_the_first_step(self, api: APIClient, send: Send) -> None:
        upload = send()
        Original.objects.update(truncated=True)
        address = f"/api/uploads/{upload.pk}/"
        assert api.get(address).json()["truncated"] is False
        finish(upload)
        Original.objects.update(truncated=True)
        assert api.get(address).json()["truncated"] is True
        assert api.get("/api/uploads/").json()["results"][0]["truncated"] is True

    def test_deletion_is_undone(self, api: APIClient, send: Send) -> None:
        upload = send()
        finish(upload)
        address = f"/api/uploads/{upload.pk}/"
        before = api.get(address).json()
        for _ in range(2):
            api.delete(address)
            response = api.post(f"{address}restore/")
            assert (response.status_code, response.json()) == (200, before)
            assert api.get(address).json() == before
            assert api.get(before["renditions"][0]["url"]).status_code == 200
        assert api.post(f"{address}restore/").json() == before

    def test_deletion_cannot_be_undone_after_the_same_bytes_were_sent(
        self, api: APIClient, make_image: MakeImage
    ) -> None:
        first = post(api, make_image()).json()
        api.delete(f"/api/uploads/{first['id']}/")
        second = post(api, make_image()).json()
        assert_problem(api.post(f"/api/uploads/{first['id']}/restore/"), 409, "sent_again")
        assert [row["id"] for row in api.get("/api/uploads/").json()["results"]] == [second["id"]]

    def test_purged_upload_cannot_be_restored(self, api: APIClient, send: Send) -> None:
        upload = send()
        api.delete(f"/api/uploads/{upload.pk}/")
        Upload.objects.all().delete()
        assert_problem(api.post(f"/api/uploads/{upload.pk}/restore/"), 404, "not_found")

    def test_deletion_of_another_owner_cannot_be_undone(
        self, api: APIClient, send: Send, stranger: User
    ) -> None:
        upload = send(by=stranger)
        services.delete_upload(upload=upload)
        assert_problem(api.post(f"/api/uploads/{upload.pk}/restore/"), 404, "not_found")
        upload.refresh_from_db()
        assert upload.deleted_at is not None

    def test_other_fields_cannot_be_changed(self, api: APIClient, send: Send) -> None:
        address = f"/api/uploads/{send().pk}/"
        before = api.get(address).json()
        changes = {
            "status": "ready",
            "filename": "x",
            "content_hash": "x",
            "id": str(uuid.uuid4()),
            "unknown": 1,
        }
        assert api.patch(address, changes, format="json").status_code == 200
        assert api.get(address).json() == before

    def test_deleted_upload_is_not_found_anywhere(self, api: APIClient, send: Send) -> None:
        upload = send()
        finish(upload)
        address = f"/api/uploads/{upload.pk}/"
        body = api.get(address).json()
        addresses = [
            address,
            f"/i/{upload.pk}/thumb",
            f"/uploads/{upload.pk}/original",
            body["renditions"][0]["url"],
        ]
        response = api.delete(address)
        assert (response.status_code, response.content) == (204, b"")
        for gone in addresses:
            assert_problem(api.get(gone), 404, "not_found")
        assert_problem(api.delete(address), 404, "not_found")
        assert_problem(api.post(f"{address}reprocess/"), 404, "not_found")
        assert api.get("/api/uploads/").json()["results"] == []

    def test_reprocess_is_accepted(self, api: APIClient, send: Send) -> None:
        upload = send()
        finish(upload)
        response = api.post(f"/api/uploads/{upload.pk}/reprocess/")
        assert response.status_code == 202
        assert set(response.json()) == FIELDS
        assert response.json()["status"] == "pending"

    def test_reprocess_of_a_processing_upload_changes_nothing(self, api: APIClient, send: Send) -> None:
        upload = send()
        Upload.objects.update(status="processing", queued_at=timezone.now())
        assert api.post(f"/api/uploads/{upload.pk}/reprocess/").json()["status"] == "processing"

    @pytest.mark.parametrize(
        ("method", "path"),
        [("get", ""), ("patch", ""), ("delete", ""), ("post", "reprocess/"), ("post", "restore/")],
    )
    def test_upload_of_another_owner_is_not_found(
        self, api: APIClient, send: Send, stranger: User, method: str, path: str
    ) -> None:
        upload = send(by=stranger)
        response = getattr(api, method)(f"/api/uploads/{upload.pk}/{path}", {}, format="json")
        assert_problem(response, 404, "not_found")
        none_at_all = getattr(api, method)(f"/api/uploads/{uuid.uuid4()}/{path}", {}, format="json")
        assert response.json() == none_at_all.json()
        upload.refresh_from_db()
        assert upload.deleted_at is None


class TestAddresses:
    @pytest.mark.parametrize(
        "path", ["/api/", "/api/nothing/", "/api/uploads/7/", "/api/uploads/x/y/z", "/api/uploads"]
    )
    def test_unknown_url_is_a_problem(self, api: APIClient, path: str) -> None:
        assert_problem(api.get(path), 404, "not_found")

    def test_schema_is_valid_openapi_3(self, tmp_path: Path) -> None:
        call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yaml"))
        assert (tmp_path / "schema.yaml").read_text().startswith("openapi: 3.")

    def test_schema_and_its_page_are_served(self, client: Any) -> None:
        schema = client.get("/api/schema/?format=json")
        assert schema.status_code == 200
        assert schema.json()["openapi"].startswith("3.")
        assert {
            "/api/uploads/",
            "/api/uploads/{id}/",
            "/api/uploads/{id}/reprocess/",
            "/api/uploads/{id}/restore/",
        } <= set(schema.json()["paths"])
        page = client.get("/api/docs/")
        assert page.status_code == 200
        assert b"/api/schema/" in client.get("/api/docs/?script=").content
        assert b"https://" not in page.content


@pytest.mark.django_db(transaction=True)
class TestBrokerUnavailable:
    @pytest.fixture(autouse=True)
    def redis_client(self) -> Iterator[Redis]:
        with Redis.from_url(django_settings.REDIS_URL) as client:
            client.flushdb()
            yield client
            client.flushdb()

    def test_upload_is_accepted_while_the_broker_is_unavailable(
        self, api: APIClient, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_arguments: object, **_options: object) -> None:
            raise OperationalError("connection refused")

        monkeypatch.setattr(current_app, "send_task", refuse)
        monkeypatch.setattr("celery.canvas._chain.apply_async", refuse)
        assert post(api, make_image()).status_code == 201
        assert Upload.objects.get().queued_at is None

    def test_upload_is_queued_while_the_broker_is_available(
        self, api: APIClient, make_image: MakeImage
    ) -> None:
        assert post(api, make_image()).status_code == 201
        assert Upload.objects.get().queued_at is not None

    def test_duplicate_is_not_queued(
        self, api: APIClient, make_image: MakeImage, redis_client: Redis
    ) -> None:
        post(api, make_image())
        post(api, make_image())
        assert redis_client.llen("thumbnails") == 1

    def test_reprocess_is_accepted_while_the_broker_is_unavailable(
        self, api: APIClient, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload = send()
        finish(upload)
        monkeypatch.setattr(pipeline, "publish", lambda _message: False)
        assert api.post(f"/api/uploads/{upload.pk}/reprocess/").status_code == 202
        assert Upload.objects.shown().get().queued_at is None
