"""Serving pictures: their formats, headers and access."""

import io
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core import signing
from django.core.files.storage import default_storage
from django.http import HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.utils import timezone
from PIL import Image, ImageStat
from rest_framework.test import APIClient

from processing import conf, renditions
from processing.fingerprint import original_key
from processing.models import Rendition
from processing.presets import THUMBNAIL_SIDE
from tests.conftest import MakeImage, Send, key_of
from uploads import services
from uploads.models import PrivateLink, Upload
from uploads.serving import links, private_links
from uploads.testing import render
from uploads.tokens import issuing

ClientOf = Callable[[User], APIClient]

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
CHROME_PAGE = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)
FIREFOX = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
SAFARI = (
    "image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,image/svg+xml,"
    "image/*;q=0.8,*/*;q=0.5"
)
OLD_SAFARI = "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def ready(send: Send) -> Upload:
    """Return an upload with all its renditions."""
    return render(send())


@pytest.fixture
def private(ready: Upload) -> Upload:
    services.update_upload(upload=ready, visibility=Upload.Visibility.PRIVATE)
    return ready


def picture_of(response: Any) -> Image.Image:
    image = Image.open(io.BytesIO(response.content))
    image.load()
    return image


def assert_problem(response: Any, code: str, status: int = 404) -> None:
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert set(body) == {"type", "title", "status", "detail", "code"}
    assert (body["status"], body["code"]) == (status, code)


def varies_by(response: Any) -> set[str]:
    return {name.strip() for name in response.headers.get("Vary", "").split(",") if name}


class TestFormat:
    @pytest.mark.parametrize(
        ("accept", "format"),
        [
            ("image/webp", "webp"),
            ("image/webp;q=0.8", "webp"),
            (CHROME, "webp"),
            (CHROME_PAGE, "webp"),
            (FIREFOX, "webp"),
            (SAFARI, "webp"),
            (OLD_SAFARI, "jpeg"),
            ("*/*", "jpeg"),
            ("", "jpeg"),
            ("image/*", "jpeg"),
            ("image/jpeg", "jpeg"),
            ("image/avif", "jpeg"),
            ("image/webp;q=0, */*", "jpeg"),
            ("image/jpeg, image/webp;q=0.1", "jpeg"),
            ("image/webp, image/jpeg;q=0.1", "webp"),
            ("nonsense", "jpeg"),
        ],
    )
    def test_format_follows_the_accept_header(
        self, client: Client, ready: Upload, accept: str, format: str
    ) -> None:
        response = client.get(f"/i/{ready.pk}/small", headers={"accept": accept})
        assert response.status_code == 200
        assert response.headers["Content-Type"] == f"image/{format}"
        assert picture_of(response).format == format.upper()
        assert varies_by(response) == {"Accept"}

    def test_format_is_jpeg_without_an_accept_header(self, client: Client, ready: Upload) -> None:
        assert client.get(f"/i/{ready.pk}/small").headers["Content-Type"] == "image/jpeg"

    def test_avif_is_sent_only_if_accepted_by_name(self, client: Client, send: Send, settings: Any) -> None:
        presets = {"small": {"width": 64, "formats": ["avif", "webp", "jpeg"]}}
        settings.DARKROOM = {**settings.DARKROOM, "PRESETS": presets}
        upload = send()
        render(upload)
        for accept, format in [(CHROME, "avif"), ("image/webp", "webp"), ("*/*", "jpeg")]:
            response = client.get(f"/i/{upload.pk}/small", headers={"accept": accept})
            assert response.headers["Content-Type"] == f"image/{format}"

    def test_png_replaces_jpeg_for_transparent_originals(
        self, client: Client, send: Send, make_image: MakeImage
    ) -> None:
        upload = send(make_image(format="PNG", mode="RGBA"))
        render(upload)
        assert client.get(f"/i/{upload.pk}/small").headers["Content-Type"] == "image/png"
        assert_problem(client.get(f"/i/{upload.pk}/small.jpg"), "no_such_format")

    @pytest.mark.parametrize(("extension", "format"), [("webp", "webp"), ("jpg", "jpeg"), ("jpeg", "jpeg")])
    def test_extension_selects_the_format(
        self, client: Client, ready: Upload, extension: str, format: str
    ) -> None:
        response = client.get(f"/i/{ready.pk}/thumb.{extension}", headers={"accept": "image/webp"})
        assert response.headers["Content-Type"] == f"image/{format}"
        assert picture_of(response).size == (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
        assert varies_by(response) == set()

    def test_every_preset_has_its_size(self, client: Client, ready: Upload) -> None:
        sizes = {"thumb": (256, 256), "small": (320, 213), "medium": (600, 400), "xlarge": (600, 400)}
        for preset, size in sizes.items():
            assert picture_of(client.get(f"/i/{ready.pk}/{preset}")).size == size


class TestHeaders:
    def test_picture_has_caching_and_security_headers(self, client: Client, ready: Upload) -> None:
        response = client.get(f"/i/{ready.pk}/small")
        assert response.headers["Cache-Control"].startswith("public, max-age=")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert int(response.headers["Content-Length"]) == len(response.content)
        assert "Set-Cookie" not in response.headers
        assert not response.cookies

    def test_each_format_has_its_own_etag(self, client: Client, ready: Upload) -> None:
        etags = {
            client.get(f"/i/{ready.pk}/small.{extension}").headers["ETag"] for extension in ("webp", "jpg")
        }
        assert len(etags) == 2
        assert all(etag.startswith('"') and etag.endswith('"') for etag in etags)

    @pytest.mark.parametrize("value", ["{etag}", "W/{etag}", '"other", {etag}', "*"])
    def test_matching_etag_gets_304(self, client: Client, ready: Upload, value: str) -> None:
        address = f"/i/{ready.pk}/small"
        first = client.get(address)
        again = client.get(address, headers={"if-none-match": value.format(etag=first.headers["ETag"])})
        assert (again.status_code, again.content) == (304, b"")
        for name in ("ETag", "Cache-Control", "Vary"):
            assert again.headers[name] == first.headers[name]

    def test_other_etag_gets_the_picture(self, client: Client, ready: Upload) -> None:
        response = client.get(f"/i/{ready.pk}/small", headers={"if-none-match": '"other"'})
        assert response.status_code == 200

    def test_permanent_url_is_cached_as_immutable(self, client: Client, ready: Upload) -> None:
        for row in Rendition.objects.all():
            response = client.get(links.rendition_path(ready, row))
            assert response.status_code == 200
            assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Content-Type"] == f"image/{row.format}"
            assert varies_by(response) == set()
            assert len(response.content) == row.byte_size
            again = client.get(
                links.rendition_path(ready, row), headers={"if-none-match": response.headers["ETag"]}
            )
            assert (again.status_code, again.headers["Cache-Control"]) == (
                304,
                response.headers["Cache-Control"],
            )

    @pytest.mark.parametrize("method", ["head", "get"])
    def test_head_equals_get_without_a_body(self, client: Client, ready: Upload, method: str) -> None:
        row = Rendition.objects.filter(preset="small", format="jpeg").get()
        for address in (f"/i/{ready.pk}/small", links.rendition_path(ready, row)):
            response = getattr(client, method)(address)
            assert response.status_code == 200
            assert response.headers["Content-Length"] == str(row.byte_size)
            assert bool(response.content) is (method == "get")

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_other_methods_are_refused(self, client: Client, ready: Upload, method: str) -> None:
        assert getattr(client, method)(f"/i/{ready.pk}/small").status_code == 405


class TestNotReady:
    @pytest.mark.parametrize(
        ("preset", "size"), [("thumb", (256, 256)), ("small", (320, 213)), ("large", (600, 400))]
    )
    def test_placeholder_has_the_size_and_retry_after(
        self, client: Client, send: Send, preset: str, size: tuple[int, int]
    ) -> None:
        response = client.get(f"/i/{send().pk}/{preset}")
        assert response.status_code == 202
        assert response.headers["Content-Type"] == "image/png"
        assert response.headers["Cache-Control"] == "no-store"
        assert int(response.headers["Retry-After"]) > 0
        assert varies_by(response) == {"Accept"}
        assert picture_of(response).size == size

    def test_placeholder_is_sent_for_an_extension(self, client: Client, send: Send) -> None:
        response = client.get(f"/i/{send().pk}/thumb.webp")
        assert (response.status_code, response.headers["Content-Type"]) == (202, "image/png")

    def test_placeholder_of_a_large_preset_is_a_small_file(
        self, client: Client, send: Send, settings: Any
    ) -> None:
        settings.DARKROOM = {
            **settings.DARKROOM,
            "PRESETS": {"huge": {"width": 8000, "height": 8000, "mode": "fill"}},
        }
        response = client.get(f"/i/{send().pk}/huge")
        assert picture_of(response).size == (8000, 8000)
        assert len(response.content) < 50_000

    def test_failed_upload_is_a_problem_with_its_reason(self, client: Client, send: Send) -> None:
        upload = send()
        Upload.objects.update(status="failed", error_code="unreadable_image", error_detail="It is damaged.")
        response = client.get(f"/i/{upload.pk}/thumb")
        assert_problem(response, "unreadable_image")
        assert response.json()["detail"] == "It is damaged."

    def test_old_rendition_is_served_during_reprocessing(self, client: Client, ready: Upload) -> None:
        services.prepare_again(uploads=[ready], force=True, presets=(), bulk=False)
        assert client.get(f"/i/{ready.pk}/small").status_code == 200
        Upload.objects.update(status="failed", error_code="processing_failed", error_detail="It broke off.")
        assert client.get(f"/i/{ready.pk}/small").status_code == 200


class TestNotFound:
    def test_unknown_upload_is_not_found(self, client: Client) -> None:
        assert_problem(client.get(f"/i/{uuid.uuid4()}/thumb"), "not_found")

    @pytest.mark.parametrize("name", ["nothing", "nothing.webp", "Thumb", "thumb%20"])
    def test_unknown_preset_is_not_found(self, client: Client, ready: Upload, name: str) -> None:
        assert_problem(client.get(f"/i/{ready.pk}/{name}"), "no_such_preset")

    @pytest.mark.parametrize("extension", ["gif", "png", "avif", "exe", "webp.exe"])
    def test_unknown_format_is_not_found(self, client: Client, ready: Upload, extension: str) -> None:
        assert_problem(client.get(f"/i/{ready.pk}/thumb.{extension}"), "no_such_format")

    @pytest.mark.parametrize("path", ["x", "ab/abc/thumb-0.webp", "../originals/ab/abc", "..%2foriginals"])
    def test_unknown_rendition_is_not_found(self, client: Client, ready: Upload, path: str) -> None:
        assert_problem(client.get(f"/renditions/{path}"), "not_found")

    def test_original_is_not_served_as_a_rendition(self, client: Client, ready: Upload) -> None:
        key = original_key(ready.original.content_hash)
        for address in (f"/renditions/{key}", f"/{key}", f"/media/{key}", f"/renditions/../{key}"):
            assert client.get(address).status_code == 404

    def test_lost_rendition_is_a_problem(self, client: Client, ready: Upload) -> None:
        default_storage.delete(Rendition.objects.get(preset="small", format="jpeg").key)
        assert_problem(client.get(f"/i/{ready.pk}/small"), "rendition_missing")

    def test_lost_rendition_is_rendered_again_with_its_image(self, client: Client, ready: Upload) -> None:
        row = Rendition.objects.get(preset="small", format="jpeg")
        default_storage.delete(row.key)
        client.get(f"/i/{ready.pk}/small")
        again = [(one.preset.name, one.format) for one in renditions.missing(ready.original, conf.presets())]
        assert again == [("small", "jpeg")]

    def test_missing_storage_has_nothing_rendered_again(
        self, client: Client, ready: Upload, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        default_storage.delete(Rendition.objects.get(preset="small", format="jpeg").key)
        monkeypatch.setattr(default_storage, "is_there", lambda: False)
        assert_problem(client.get(f"/i/{ready.pk}/small"), "storage_unavailable", 503)
        assert not Rendition.objects.filter(redo=True).exists()

    def test_unavailable_storage_is_a_problem(
        self, client: Client, ready: Upload, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_arguments: object) -> None:
            raise OSError("Input/output error")

        monkeypatch.setattr(default_storage, "open", refuse)
        assert_problem(client.get(f"/i/{ready.pk}/small"), "storage_unavailable", status=503)


class TestPrivate:
    def addresses(self, upload: Upload) -> list[str]:
        permanent = links.rendition_path(upload, upload.original.renditions.all()[0])
        return [f"/i/{upload.pk}/small", f"/i/{upload.pk}/small.webp", permanent]

    def test_private_picture_is_hidden_from_others(
        self, client: Client, private: Upload, client_of: ClientOf, stranger: User
    ) -> None:
        for someone in (client, client_of(stranger)):
            for address in [*self.addresses(private), f"/i/{private.pk}/nothing"]:
                assert_problem(someone.get(address), "not_found")

    def test_owner_sees_the_private_picture(
        self, client: Client, private: Upload, client_of: ClientOf, owner: User
    ) -> None:
        client.force_login(owner)
        for person in (client, client_of(owner)):
            for address in self.addresses(private):
                response = person.get(address)
                assert response.status_code == 200
                assert response.headers["Cache-Control"].startswith("private, ")

    def test_a_private_link_opens_it_to_anyone(
        self, client: Client, private: Upload, client_of: ClientOf, stranger: User
    ) -> None:
        token = private_links.make(upload=private).token
        for someone in (client, client_of(stranger)):
            for name in ("small", "small.webp", "thumb", "xlarge.jpg"):
                response = someone.get(f"/i/{private.pk}/{name}", {"link": token})
                assert response.status_code == 200
                assert response.headers["Cache-Control"] == "private, no-cache"
        assert_problem(client.get(f"/i/{private.pk}/nothing", {"link": token}), "no_such_preset")

    def test_a_link_to_one_preset_opens_no_other(self, client: Client, private: Upload) -> None:
        token = private_links.make(upload=private, preset="small").token
        for name in ("small", "small.webp", "small.jpg"):
            assert client.get(f"/i/{private.pk}/{name}", {"link": token}).status_code == 200
        for name in ("thumb", "thumb.webp", "large", "nothing", "small%20", ".small"):
            assert_problem(client.get(f"/i/{private.pk}/{name}", {"link": token}), "not_found")

    def test_one_that_waits_is_a_placeholder(self, client: Client, send: Send) -> None:
        upload = send()
        services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
        token = private_links.make(upload=upload).token
        response = client.get(f"/i/{upload.pk}/small", {"link": token})
        assert (response.status_code, response.headers["Cache-Control"]) == (202, "no-store")

    @pytest.mark.parametrize(
        "query",
        ["link=", "link=wrong", "link=%00", "link=%ED%A0%80", "link={short}", "link={case}", "token={token}",
         "link={other}", "signature={old}"],
    )  # fmt: skip
    def test_a_wrong_link_answers_as_if_there_were_no_image(
        self, client: Client, private: Upload, send: Send, make_image: MakeImage, query: str
    ) -> None:
        token = private_links.make(upload=private).token
        upload = send(make_image(seed=90))
        services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
        values = {
            "short": token[:-1],
            "case": token.swapcase(),
            "token": token,
            "other": private_links.make(upload=upload).token,
            # A link as it was signed before private links were rows.
            "old": signing.dumps(str(private.pk), salt="uploads.serving.links"),
        }
        answers = [client.get(f"/i/{pk}/small?{query.format(**values)}") for pk in (private.pk, uuid.uuid4())]
        assert_problem(answers[0], "not_found")
        assert answers[0].headers["Cache-Control"] == "no-store"
        assert answers[0].content == answers[1].content
        assert dict(answers[0].items()) == dict(answers[1].items())

    def test_an_expired_or_revoked_link_opens_nothing_even_from_a_cache(
        self, client: Client, private: Upload
    ) -> None:
        for end in (
            lambda: PrivateLink.objects.update(expires_at=timezone.now()),
            PrivateLink.objects.all().delete,
        ):
            address = links.picture_path(private, "small", token=private_links.make(upload=private).token)
            etag = client.get(address).headers["ETag"]
            end()
            assert_problem(client.get(address, headers={"if-none-match": etag}), "not_found")

    def test_links_end_with_a_change_of_visibility(
        self, client: Client, private: Upload, client_of: ClientOf, owner: User
    ) -> None:
        address = links.picture_path(private, "small", token=private_links.make(upload=private).token)
        for visibility, status in (("unlisted", 200), ("private", 404)):
            client_of(owner).patch(f"/api/uploads/{private.pk}/", {"visibility": visibility}, format="json")
            assert client.get(address).status_code == status

    def test_links_end_with_a_deletion_for_good(
        self, client: Client, private: Upload, client_of: ClientOf, owner: User
    ) -> None:
        address = links.picture_path(private, "small", token=private_links.make(upload=private).token)
        client_of(owner).delete(f"/api/uploads/{private.pk}/")
        assert client.get(address).status_code == 404
        assert client_of(owner).post(f"/api/uploads/{private.pk}/restore/").status_code == 200
        assert client.get(address).status_code == 404

    def test_a_link_does_not_open_the_permanent_address(self, client: Client, private: Upload) -> None:
        row = private.original.renditions.all()[0]
        queries = [
            {"link": private_links.make(upload=private).token},
            {"link": private_links.make(upload=private, preset=row.preset).token},
            {"signature": signing.dumps(str(private.pk), salt="uploads.serving.links")},
        ]
        for query in queries:
            for address in (links.rendition_path(private, row), links.staff_path(row)):
                assert_problem(client.get(address, query), "not_found")

    def test_its_pictures_go_on_in_its_owners_pages(
        self, client: Client, private: Upload, owner: User
    ) -> None:
        client.force_login(owner)
        page = client.get(f"/uploads/{private.pk}/").content.decode()
        addresses = set(re.findall(r"/renditions/[\w./-]+", page))
        assert len(addresses) == 10
        assert {client.get(address).status_code for address in addresses} == {200}
        assert {Client().get(address).status_code for address in addresses} == {404}

    @pytest.mark.parametrize(("scope", "status"), [("read", 200), ("upload", 404), ("all", 200)])
    def test_token_scope_limits_access(
        self, client: Client, private: Upload, owner: User, scope: str, status: int
    ) -> None:
        headers = {"authorization": f"Token {key_of(owner, scope)}"}
        for address in self.addresses(private):
            assert client.get(address, headers=headers).status_code == status
        assert client.head(f"/uploads/{private.pk}/original", headers=headers).status_code == status

    def test_upload_token_opens_the_images_that_it_sent(
        self, client: Client, private: Upload, owner: User
    ) -> None:
        issued = issuing.issue(owner=owner, name="camera", scope="upload")
        issuing.note_sent(issued.token, private)
        headers = {"authorization": f"Token {issued.key}"}
        for address in self.addresses(private):
            assert client.get(address, headers=headers).status_code == 200

    @pytest.mark.parametrize("end", ["expired", "revoked"])
    def test_ended_token_opens_nothing_and_overrides_the_session(
        self, client: Client, private: Upload, owner: User, end: str
    ) -> None:
        key = key_of(owner, expires_at=timezone.now() if end == "expired" else None)
        if end == "revoked":
            issuing.revoke_tokens(owner)
        client.force_login(owner)
        for address in [*self.addresses(private), f"/uploads/{private.pk}/original"]:
            assert_problem(client.get(address, headers={"authorization": f"Token {key}"}), "not_found")

    def test_wrong_token_overrides_the_session(self, client: Client, private: Upload, owner: User) -> None:
        client.force_login(owner)
        address = f"/i/{private.pk}/small"
        assert_problem(client.get(address, headers={"authorization": "Token wrong"}), "not_found")

    def test_shared_original_is_public_only_through_the_public_upload(
        self, client: Client, private: Upload, send: Send, stranger: User
    ) -> None:
        public = send(by=stranger)
        permanent = links.rendition_path(private, private.original.renditions.all()[0])
        theirs = links.rendition_path(public, private.original.renditions.all()[0])
        assert client.get(theirs).status_code == 200
        for address in (permanent, f"/i/{private.pk}/small"):
            assert_problem(client.get(address), "not_found")
        services.delete_upload(upload=public)
        assert_problem(client.get(theirs), "not_found")

    def test_staff_see_private_renditions(
        self, private: Upload, admin_client: Client, client: Client
    ) -> None:
        address = links.staff_path(private.original.renditions.all()[0])
        for path in (self.addresses(private)[-1], address):
            assert admin_client.get(path).status_code == 200
        assert_problem(client.get(address), "not_found")


class TestOriginal:
    def fetch(
        self, upload: Upload, *, by: User | None = None, method: str = "get", **headers: str
    ) -> tuple[Any, bytes]:
        """Ask as an ASGI server does, because the response is streamed."""

        async def ask() -> tuple[HttpResponse | StreamingHttpResponse, bytes]:
            client = AsyncClient()
            if by is not None:
                await client.aforce_login(by)
            response = await getattr(client, method)(f"/uploads/{upload.pk}/original", headers=headers)
            if not response.streaming:
                return response, response.content
            parts = [part async for part in response.streaming_content] if method == "get" else []
            response.close()
            return response, b"".join(parts)

        return async_to_sync(ask)()

    def test_owner_downloads_the_original_as_an_attachment(
        self, send: Send, owner: User, make_image: MakeImage
    ) -> None:
        data = make_image(width=3000, height=2000, quality=95)
        response, body = self.fetch(send(data, name="sea.jpg"), by=owner)
        assert body == data
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "image/jpeg"
        assert response.headers["Content-Length"] == str(len(data))
        assert response.headers["Content-Disposition"] == 'attachment; filename="sea.jpg"'
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"].startswith("sandbox")
        assert response.headers["Cache-Control"].startswith("private")

    def test_owner_downloads_the_original_under_wsgi(
        self, client: Client, send: Send, owner: User, make_image: MakeImage
    ) -> None:
        data = make_image(width=1500, height=1000, quality=95)
        client.force_login(owner)
        response = client.get(f"/uploads/{send(data).pk}/original")
        assert isinstance(response, StreamingHttpResponse)
        assert not response.is_async
        assert response.getvalue() == data

    def test_owner_downloads_the_original_by_token(self, send: Send, owner: User) -> None:
        response, body = self.fetch(send(), authorization=f"Token {key_of(owner)}")
        assert (response.status_code, len(body)) == (200, int(response.headers["Content-Length"]))

    def test_original_is_hidden_from_others(self, send: Send, stranger: User) -> None:
        upload = send()
        for person in (None, stranger):
            assert_problem(self.fetch(upload, by=person)[0], "not_found")
        assert_problem(self.fetch(upload, authorization="Token wrong")[0], "not_found")

    def test_a_private_link_does_not_open_it(self, client: Client, private: Upload) -> None:
        token = private_links.make(upload=private).token
        assert_problem(client.get(f"/uploads/{private.pk}/original", {"link": token}), "not_found")

    @pytest.mark.parametrize(
        "name",
        [
            "ü ñ.jpg",
            'a"b\\c.jpg',
            "a\r\nSet-Cookie: b=c.jpg",
            "😀.png",
            "\u202egpj.exe",
            "x" * 255,
            "",
            "%0d%0a",
        ],
    )
    def test_unusual_file_name_is_sent_safely(self, send: Send, owner: User, name: str) -> None:
        upload = send()
        Upload.objects.update(filename=name)
        response, _ = self.fetch(upload, by=owner)
        assert response.status_code == 200
        disposition = response.headers["Content-Disposition"]
        assert disposition.startswith("attachment")
        assert disposition.isprintable()
        assert "Set-Cookie" not in response.headers

    def test_head_sends_no_body_and_closes_the_file(self, send: Send, owner: User) -> None:
        upload = send()
        response, body = self.fetch(upload, by=owner, method="head")
        assert (response.status_code, body) == (200, b"")
        assert response.headers["Content-Length"] == str(upload.original.byte_size)

    def test_lost_original_is_a_problem(self, send: Send, owner: User) -> None:
        upload = send()
        default_storage.delete(original_key(upload.original.content_hash))
        assert_problem(self.fetch(upload, by=owner)[0], "original_lost")


def test_upload_is_cropped_around_its_own_focal_point(
    client: Client, send: Send, stranger: User, make_image: MakeImage
) -> None:
    data = make_image(width=800, height=400)
    uploads = [send(data), send(data, by=stranger)]
    for upload, x in zip(uploads, (0.0, 1.0), strict=True):
        services.set_focus(upload=upload, point=(x, 0.5))
        render(upload)
    # The picture becomes brighter from left to right.
    levels = [level_of(client.get(f"/i/{upload.pk}/thumb")) for upload in uploads]
    assert levels[0] < 70
    assert levels[1] > 185


def level_of(response: Any) -> float:
    """Return the mean red of a picture, 0 to 255."""
    return float(ImageStat.Stat(picture_of(response).convert("RGB")).mean[0])
