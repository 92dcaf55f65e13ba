"""The admin: every list and every row, with pictures, failures and actions, for staff only."""

from typing import Any

import pytest
from django.contrib.admin import AdminSite
from django.contrib.admin.widgets import AutocompleteSelect, ForeignKeyRawIdWidget
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from rest_framework.authtoken.models import Token as PlainToken

from processing.models import Original, Rendition
from tests.articles.models import Article
from tests.conftest import MakeImage, Send
from tests.pages import image_file
from uploads.admin import QuotaAdmin
from uploads.models import Delivery, Quota, Upload
from uploads.notices import endpoints
from uploads.serving import links
from uploads.testing import render
from uploads.tokens import issuing

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("started"), pytest.mark.any_database]

LISTS = [
    "uploads/upload",
    "uploads/delivery",
    "uploads/endpoint",
    "uploads/token",
    "uploads/verdict",
    "processing/original",
    "processing/rendition",
    "auth/user",
]


@pytest.fixture
def ready(send: Send) -> Upload:
    return render(send(name="<b>sea<b>.jpg"))


def act(client: Client, action: str, *uploads: Upload) -> list[str]:
    """Carry out an action on the list of uploads, and return the messages."""
    data = {"action": action, "_selected_action": [str(upload.pk) for upload in uploads]}
    answer = client.post("/admin/uploads/upload/", data)
    assert answer.status_code == 302
    return [str(message) for message in get_messages(answer.wsgi_request)]


@pytest.mark.parametrize("path", LISTS)
def test_every_list_is_rendered(admin_client: Client, ready: Upload, path: str) -> None:
    answer = admin_client.get(f"/admin/{path}/")
    assert answer.status_code == 200
    assert b"<b>sea" not in answer.content


@pytest.mark.parametrize("path", ["uploads/upload", "processing/original", "processing/rendition"])
def test_lists_show_pictures(admin_client: Client, ready: Upload, path: str) -> None:
    row = Rendition.objects.filter(preset="thumb").first()
    assert row is not None
    page = admin_client.get(f"/admin/{path}/").content.decode()
    assert f'<img src="{links.staff_path(row).rpartition(".")[0]}' in page


def test_every_row_is_rendered(admin_client: Client, ready: Upload) -> None:
    endpoint = endpoints.add(owner=ready.owner, url="https://example.com/")
    rows = [
        endpoint,
        *Upload.objects.all(),
        *Original.objects.all(),
        *Rendition.objects.all()[:1],
        *Delivery.objects.all()[:1],
    ]
    for row in rows:
        path = f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/"
        assert admin_client.get(path).status_code == 200, path


def test_original_shows_its_capture_time_with_its_offset(admin_client: Client, ready: Upload) -> None:
    Original.objects.update(metadata={"taken_at": "2020-02-29T23:59:59-03:30"})
    page = admin_client.get(f"/admin/processing/original/{ready.original_id}/change/").content.decode()
    assert "2020-02-29T23:59:59-03:30" in page


def test_lists_are_rendered_for_pending_uploads(admin_client: Client, send: Send) -> None:
    send()
    for path in LISTS:
        assert admin_client.get(f"/admin/{path}/").status_code == 200


def test_failure_is_shown_with_its_reason(admin_client: Client, send: Send) -> None:
    send()
    Upload.objects.update(status="failed", error_code="unreadable_image", error_detail="It is damaged.")
    assert "unreadable_image: It is damaged." in admin_client.get("/admin/uploads/upload/").content.decode()


@pytest.mark.parametrize("text", ["sea", "ada", "nothing"])
def test_search_finds_uploads(admin_client: Client, ready: Upload, text: str) -> None:
    page = admin_client.get("/admin/uploads/upload/", {"q": text}).content.decode()
    assert (str(ready.pk) in page) is (text != "nothing")


def test_search_finds_uploads_by_id_and_hash(admin_client: Client, ready: Upload) -> None:
    for text in (str(ready.pk), ready.original.content_hash):
        assert str(ready.pk) in admin_client.get("/admin/uploads/upload/", {"q": text}).content.decode()


@pytest.mark.parametrize("action", ["reprocess", "reprocess_everything"])
def test_action_reprocesses_uploads(
    admin_client: Client, ready: Upload, started: list[Upload], action: str
) -> None:
    assert act(admin_client, action, ready) == ["1 upload queued."]
    assert started == [ready]
    ready.refresh_from_db()
    assert (ready.status, ready.bulk) == ("pending", True)
    again = Rendition.objects.filter(redo=True).count()
    assert again == (10 if action == "reprocess_everything" else 0)


def test_action_deletes_uploads(
    admin_client: Client, ready: Upload, send: Send, make_image: MakeImage
) -> None:
    assert act(admin_client, "delete_uploads", ready, send(make_image(seed=90))) == ["2 uploads deleted."]
    assert not Upload.objects.filter(deleted_at=None).exists()
    assert str(ready.pk) not in admin_client.get("/admin/uploads/upload/").content.decode()


@pytest.mark.parametrize(
    "path", ["uploads/upload", "uploads/delivery", "processing/original", "processing/rendition"]
)
def test_rows_cannot_be_added(admin_client: Client, path: str) -> None:
    assert admin_client.get(f"/admin/{path}/add/").status_code == 403


def test_rows_cannot_be_edited_or_removed(admin_client: Client, ready: Upload) -> None:
    path = f"/admin/uploads/upload/{ready.pk}"
    assert admin_client.post(f"{path}/change/", {"status": "failed"}).status_code == 403
    assert admin_client.post(f"{path}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("path", ["", *[f"{path}/" for path in LISTS]])
def test_visitor_and_plain_user_are_redirected_to_sign_in(client: Client, owner: User, path: str) -> None:
    for _ in range(2):
        answer = client.get(f"/admin/{path}")
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")
        client.force_login(owner)


def test_staff_need_a_permission(client: Client, owner: User, ready: Upload) -> None:
    User.objects.update(is_staff=True)
    client.force_login(User.objects.get())
    assert client.get("/admin/uploads/upload/").status_code == 403
    owner.user_permissions.add(Permission.objects.get(codename="view_upload"))
    assert client.get("/admin/uploads/upload/").status_code == 200


def test_list_uses_a_fixed_number_of_queries(
    admin_client: Client, send: Send, make_image: MakeImage, django_assert_max_num_queries: Any
) -> None:
    for seed in range(0, 250, 50):
        send(make_image(seed=seed))
    with django_assert_max_num_queries(12):
        admin_client.get("/admin/uploads/upload/")


def test_webhook_secrets_are_hidden_from_staff(admin_client: Client, owner: User) -> None:
    endpoint = endpoints.add(owner=owner, url="https://example.com/")
    for path in ("", f"{endpoint.pk}/change/"):
        page = admin_client.get(f"/admin/uploads/endpoint/{path}").content.decode()
        assert "https://example.com/" in page
        assert "whsec_" not in page


def test_tokens_are_shown_without_secrets_and_revoked(admin_client: Client, owner: User) -> None:
    issued = issuing.issue(owner=owner, name="The shop", scope="upload")
    PlainToken.objects.create(user=owner)
    secrets = (issued.key, issued.token.digest, PlainToken.objects.get().key)
    for path in ("", f"{issued.token.pk}/change/"):
        page = admin_client.get(f"/admin/uploads/token/{path}").content.decode()
        assert "The shop" in page
        assert not any(secret in page for secret in secrets)
    assert admin_client.get("/admin/authtoken/tokenproxy/").status_code == 404
    assert admin_client.get("/admin/uploads/token/add/").status_code == 403
    data = {"action": "revoke", "_selected_action": [str(issued.token.pk)]}
    answer = admin_client.post("/admin/uploads/token/", data)
    assert [str(message) for message in get_messages(answer.wsgi_request)] == ["1 token revoked."]
    assert not issuing.is_live(issued.token.pk)


def test_staff_without_the_permission_revoke_nothing(client: Client, owner: User, stranger: User) -> None:
    issued = issuing.issue(owner=owner, name="The shop", scope="upload")
    stranger.is_staff = True
    stranger.save()
    stranger.user_permissions.add(
        Permission.objects.get(codename="view_token", content_type__app_label="uploads")
    )
    client.force_login(stranger)
    client.post("/admin/uploads/token/", {"action": "revoke", "_selected_action": [str(issued.token.pk)]})
    assert issuing.is_live(issued.token.pk)


class TestPictures:
    """Models of other apps that have pictures."""

    ADDRESS = "/admin/articles/article/"

    def test_list_shows_thumbnails_with_a_fixed_number_of_queries(
        self, admin_client: Client, send: Send, make_image: MakeImage
    ) -> None:
        counts = []
        for number in range(3):
            upload = send(make_image(seed=50 * number), name="<sea>.jpg")
            render(upload)
            Article.objects.create(title="Sea", photo=upload)
            with CaptureQueriesContext(connection) as queries:
                page = admin_client.get(self.ADDRESS).content.decode()
            counts.append(len(queries))
            assert page.count('alt="&lt;sea&gt;.jpg"') == number + 1
        assert counts[1] == counts[2]

    def test_list_without_pictures_is_rendered(self, admin_client: Client, send: Send) -> None:
        Article.objects.create(title="Empty")
        Article.objects.create(title="Pending", photo=send())
        assert "field-photo" in admin_client.get(self.ADDRESS).content.decode()

    def test_form_offers_no_list_of_all_uploads(self, admin_client: Client, send: Send) -> None:
        send(name="another.jpg")
        article = Article.objects.create(title="Sea", photo=send(image_file().read(), name="sea.jpg"))
        page = admin_client.get(f"{self.ADDRESS}{article.pk}/change/").content.decode()
        assert 'type="file" name="photo"' in page
        assert "sea.jpg" in page
        assert "another.jpg" not in page

    def test_form_stores_a_picture(self, admin_client: Client) -> None:
        admin_client.post(f"{self.ADDRESS}add/", {"title": "Sea", "photo": image_file(), "photo-alt": "Sea"})
        upload = Article.objects.get().photo
        assert (upload.filename, upload.alt) == ("sea.png", "Sea")

    def test_form_with_an_error_keeps_the_picture(self, admin_client: Client) -> None:
        page = admin_client.post(f"{self.ADDRESS}add/", {"title": "", "photo": image_file()})
        assert Upload.objects.get().filename == "sea.png"
        assert "was not saved" not in page.content.decode()


def widget_of_the_owner(page: QuotaAdmin, rf: RequestFactory) -> object:
    field = page.formfield_for_foreignkey(Quota._meta.get_field("owner"), rf.get("/"))
    assert field is not None
    return field.widget


def test_quotas_need_no_admin_page_of_owners(rf: RequestFactory) -> None:
    site = AdminSite()
    page = QuotaAdmin(Quota, site)
    assert page.check() == []
    assert isinstance(widget_of_the_owner(page, rf), ForeignKeyRawIdWidget)
    site.register(User, UserAdmin)
    assert page.check() == []
    assert isinstance(widget_of_the_owner(page, rf), AutocompleteSelect)
