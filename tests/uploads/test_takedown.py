"""Staff take one image down with a reason, which its owner sees, and put it back."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from processing.models import Rendition
from tests.conftest import MakeImage, Send
from uploads import services
from uploads.models import Delivery, Event, Upload
from uploads.notices import endpoints
from uploads.serving import links, private_links
from uploads.testing import render

REASON = "It shows <b>a face</b>."

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("started"), pytest.mark.any_database]


@pytest.fixture
def ready(send: Send) -> Upload:
    return render(send())


@pytest.fixture
def taken(ready: Upload) -> Upload:
    services.take_down(upload=ready, reason=REASON)
    ready.refresh_from_db()
    return ready


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def act(client: Client, action: str, *uploads: Upload, **fields: str) -> Any:
    data = {"action": action, "_selected_action": [str(upload.pk) for upload in uploads], **fields}
    return client.post("/admin/uploads/upload/", data)


def paths_of(upload: Upload) -> list[str]:
    row = Rendition.objects.filter(preset="thumb", format="jpeg").get()
    path = links.picture_path(upload, "thumb")
    return [path, f"{path}.jpg", links.rendition_path(upload, row)]


class TestAdmin:
    def test_action_asks_for_the_reason(self, admin_client: Client, ready: Upload) -> None:
        for fields in ({}, {"reason": "  "}, {"reason": "x" * 1001}):
            answer = act(admin_client, "take_down", ready, **fields)
            assert answer.status_code == 200
            assert 'name="reason"' in answer.content.decode()
        assert not Upload.objects.exclude(taken_down_at=None).exists()

    def test_actions_take_down_and_put_back(self, admin_client: Client, ready: Upload) -> None:
        answer = act(admin_client, "take_down", ready, reason=REASON)
        assert [str(message) for message in get_messages(answer.wsgi_request)] == ["1 upload taken down."]
        ready.refresh_from_db()
        assert (ready.taken_down_at is not None, ready.takedown_reason) == (True, REASON)
        assert "thumb" in admin_client.get("/admin/uploads/upload/").content.decode()
        act(admin_client, "put_back", ready)
        ready.refresh_from_db()
        assert (ready.taken_down_at, ready.takedown_reason) == (None, "")
        entries = LogEntry.objects.order_by("pk").values_list("change_message", flat=True)
        assert list(entries) == [f"Taken down: {REASON}", "Put back."]

    def test_staff_need_the_permission(self, ready: Upload) -> None:
        staff = User.objects.create_user("eve", is_staff=True)
        staff.user_permissions.add(Permission.objects.get(codename="view_upload"))
        act(signed_in(staff), "take_down", ready, reason=REASON)
        ready.refresh_from_db()
        assert ready.taken_down_at is None


class TestServing:
    def test_picture_is_there_for_staff_alone(
        self, admin_client: Client, owner: User, stranger: User, taken: Upload
    ) -> None:
        for path in paths_of(taken):
            for client in (Client(), signed_in(owner), signed_in(stranger)):
                assert client.get(path).status_code == 404
            shown = admin_client.get(path)
            assert shown.status_code == 200
            assert "public" not in shown.headers["Cache-Control"]
        services.put_back(upload=taken)
        assert [Client().get(path).status_code for path in paths_of(taken)] == [200] * 3

    def test_picture_is_answered_like_a_missing_one(self, taken: Upload) -> None:
        missing = Client().get("/i/00000000-0000-0000-0000-000000000000/thumb")
        hidden = Client().get(links.picture_path(taken, "thumb"), headers={"If-None-Match": "*"})
        assert (hidden.status_code, hidden.content) == (404, missing.content)
        assert dict(hidden.items()) == dict(missing.items())

    def test_original_is_not_sent_to_its_owner(self, owner: User, taken: Upload) -> None:
        client = signed_in(owner)
        assert client.head(f"/uploads/{taken.pk}/original").status_code == 404
        services.put_back(upload=taken)
        assert client.head(f"/uploads/{taken.pk}/original").status_code == 200

    def test_private_link_does_not_open_it(self, ready: Upload) -> None:
        services.update_upload(upload=ready, visibility=Upload.Visibility.PRIVATE)
        path = links.picture_path(ready, "thumb", token=private_links.make(upload=ready).token)
        assert Client().get(path).status_code == 200
        services.take_down(upload=ready, reason=REASON)
        assert Client().get(path).status_code == 404
        services.put_back(upload=ready)
        assert Client().get(path).status_code == 200

    def test_other_owners_of_the_same_bytes_keep_theirs(
        self, taken: Upload, stranger: User, send: Send
    ) -> None:
        other = send(by=stranger)
        render(other)
        assert [Client().get(path).status_code for path in paths_of(other)] == [200] * 3


class TestOwner:
    def test_pages_show_the_reason_instead_of_the_picture(self, owner: User, taken: Upload) -> None:
        client = signed_in(owner)
        for path in ("/", reverse("uploads:image", args=[taken.pk])):
            page = client.get(path).content.decode()
            assert "It shows &lt;b&gt;a face&lt;/b&gt;." in page
            assert "<b>a face" not in page
            assert "<picture>" not in page
            assert "/renditions/" not in page
        services.put_back(upload=taken)
        assert "<picture>" in client.get("/").content.decode()

    def test_api_has_the_takedown(
        self, client_of: Callable[[User], APIClient], owner: User, ready: Upload
    ) -> None:
        api, path = client_of(owner), f"/api/uploads/{ready.pk}/"
        before = api.get(path).json()
        assert before["takedown"] is None
        services.take_down(upload=ready, reason=REASON)
        body = api.get(path).json()
        assert body["status"] == before["status"] == "ready"
        assert set(body["takedown"]) == {"reason", "at"}
        assert body["takedown"]["reason"] == REASON
        assert (body["renditions"], body["placeholder"]) == ([], None)
        services.put_back(upload=ready)
        assert api.get(path).json() == before

    def test_sending_again_does_not_bring_it_back(
        self,
        client_of: Callable[[User], APIClient],
        owner: User,
        taken: Upload,
        make_image: MakeImage,
    ) -> None:
        api = client_of(owner)

        def send_again() -> Any:
            file = SimpleUploadedFile("again.jpg", make_image(), "image/jpeg")
            return api.post("/api/uploads/", {"file": file}, format="multipart")

        again = send_again()
        assert (again.status_code, again.json()["duplicate"]) == (200, True)
        assert again.json()["takedown"]["reason"] == REASON
        services.delete_upload(upload=taken)
        anew = send_again()
        assert anew.status_code == 201
        assert anew.json()["takedown"]["reason"] == REASON

    def test_deletion_and_restoration_keep_the_takedown(self, owner: User, taken: Upload) -> None:
        services.delete_upload(upload=taken)
        restored = services.restore_upload(owner=owner, upload_id=taken.pk)
        assert restored is not None
        assert restored.takedown_reason == REASON

    def test_notice_and_event_tell_the_owner(self, owner: User, ready: Upload) -> None:
        endpoints.add(owner=owner, url="https://example.com/", events=["upload.taken_down"])
        for _ in range(2):
            assert services.take_down(upload=ready, reason=REASON)
            assert not services.take_down(upload=ready, reason="Another reason.")
            assert services.put_back(upload=ready)
            assert not services.put_back(upload=ready)
        events = Event.objects.filter(name__in=["upload.taken_down", "upload.put_back"]).order_by("pk")
        assert [event.name for event in events] == ["upload.taken_down", "upload.put_back"] * 2
        assert events[0].data["reason"] == REASON
        notices = Delivery.objects.filter(event=events[0])
        assert set(notices.values_list("channel", flat=True)) == {"in_app", "webhook"}
        notice = notices.get(channel="in_app")
        assert notice.subject == f"photo.jpg was taken down: {REASON}"
        page = signed_in(owner).get("/notices/").content.decode()
        assert "<b>a face" not in page
