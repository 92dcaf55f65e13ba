"""`PictureSerializerField`: articles of another app, whose pictures come and go over REST."""

from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from rest_framework import viewsets
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView, exception_handler

from tests.articles.models import Article, Portrait
from tests.conftest import MakeImage, Send
from uploads import completion, services
from uploads.api.fields import PictureModelSerializer, PictureSerializerField
from uploads.fields.owners import SITE_NAME
from uploads.models import Upload
from uploads.tokens import issuing

pytestmark = [pytest.mark.django_db, pytest.mark.any_database, pytest.mark.usefixtures("started")]


class ArticleSerializer(PictureModelSerializer):
    class Meta:
        model = Article
        fields: ClassVar = ["id", "title", "photo"]


class ThumbnailSerializer(PictureModelSerializer):
    photo = PictureSerializerField(preset="thumb")

    class Meta:
        model = Article
        fields: ClassVar = ["id", "photo"]


class PortraitSerializer(PictureModelSerializer):
    class Meta:
        model = Portrait
        fields: ClassVar = ["person", "picture"]


class OtherProject(APIView):
    """Views with the defaults of Django REST framework."""

    authentication_classes = ()
    permission_classes = ()

    def get_exception_handler(self) -> Any:
        return exception_handler


class Articles(OtherProject, viewsets.ModelViewSet[Article]):
    queryset = Article.objects.all()
    serializer_class = ArticleSerializer


class Portraits(OtherProject, viewsets.ModelViewSet[Portrait]):
    queryset = Portrait.objects.all()
    serializer_class = PortraitSerializer


# Of drf-spectacular: the defaults, and what docs/rest.md recommends.
THEIR_SETTINGS = {
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": [],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums"],
}
LIST: dict[str, Any] = {"get": "list", "post": "create"}
ONE: dict[str, Any] = {"get": "retrieve", "patch": "partial_update", "put": "update"}


class Site:
    """Another project's API, and a person who uses it."""

    def __init__(self, person: User | None, auth: Any = None) -> None:
        self.person, self.auth = person, auth

    def send(self, method: str, data: Any = None, *, pk: int | None = None, view: Any = Articles) -> Any:
        make = getattr(APIRequestFactory(), method)
        files = isinstance(data, dict) and any(hasattr(value, "read") for value in data.values())
        request = make("/", data, format="multipart" if files else "json")
        if self.person:
            force_authenticate(request, self.person, self.auth)
        answer = view.as_view(ONE if pk else LIST)(request, **({"pk": pk} if pk else {}))
        answer.render()
        request.close()
        return answer


@pytest.fixture
def site(owner: User) -> Site:
    return Site(owner)


def picture(data: bytes, name: str = "sea.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, "image/jpeg")


def test_file_is_stored_with_its_row(site: Site, owner: User, make_image: MakeImage) -> None:
    answer = site.send("post", {"title": "Sea", "photo": picture(make_image(width=1600))})
    assert answer.status_code == 201, answer.data
    article = Article.objects.get()
    assert (article.photo.owner, article.photo.filename) == (owner, "sea.jpg")
    assert answer.data["photo"] == {
        "url": f"http://testserver/i/{article.photo.pk}/large",
        "srcset": "",
        "width": 1280,
        "height": 320,
        "placeholder": None,
        "status": "pending",
        "alt": "",
    }


def test_ready_picture_has_permanent_urls(site: Site, make_image: MakeImage, client: Any) -> None:
    site.send("post", {"title": "Sea", "photo": picture(make_image(width=1600, height=1000))})
    article = Article.objects.get()
    completion.run_here(article.photo)
    services.set_alt(upload=article.photo, alt="The sea")
    photo = site.send("get", pk=article.pk).data["photo"]
    assert photo["url"].startswith("http://testserver/renditions/")
    assert (photo["status"], photo["alt"], photo["width"], photo["height"]) == ("ready", "The sea", 1280, 800)
    assert set(photo["placeholder"]) == {"thumbhash", "color"}
    urls = [text.split(" ")[0] for text in photo["srcset"].split(", ")]
    assert {client.get(url).status_code for url in [photo["url"], *urls]} == {200}


def test_several_sizes_are_listed_with_absolute_urls(send: Send, make_image: MakeImage) -> None:
    upload = send(make_image(width=1600, height=1000))
    completion.run_here(upload)
    field: Any = PictureSerializerField()
    field._context = {"request": APIRequestFactory().get("/")}
    candidates = field.to_representation(Upload.objects.get())["srcset"].split(", ")
    assert [text.split(" ")[1] for text in candidates] == ["320w", "640w", "1280w", "1600w"]
    assert all(text.startswith("http://testserver/renditions/") for text in candidates)


def test_preset_can_be_chosen(site: Site, send: Send) -> None:
    article = Article.objects.create(photo=send())
    photo = ThumbnailSerializer(article).data["photo"]
    assert photo["url"] == f"/i/{article.photo.pk}/thumb"
    assert (photo["width"], photo["height"]) == (256, 256)


def test_id_of_an_own_upload_is_accepted(site: Site, send: Send) -> None:
    upload = send()
    answer = site.send("post", {"title": "Sea", "photo": str(upload.pk)})
    assert answer.status_code == 201
    assert Article.objects.get().photo == upload
    assert Upload.objects.count() == 1


@pytest.mark.parametrize("whose", ["stranger's", "deleted", "unknown"])
def test_id_of_no_own_upload_is_refused(whose: str, site: Site, send: Send, stranger: User) -> None:
    upload = send(by=stranger) if whose == "stranger's" else send()
    if whose == "deleted":
        services.delete_upload(upload=upload)
    pk = "00000000-0000-4000-8000-000000000000" if whose == "unknown" else str(upload.pk)
    answer = site.send("post", {"title": "Sea", "photo": pk})
    assert answer.status_code == 400
    assert [error.code for error in answer.data["photo"]] == ["not_found"]
    assert not Article.objects.exists()


def test_token_that_may_only_upload_may_use_what_it_has_sent(owner: User, send: Send) -> None:
    upload = send()
    token = issuing.issue(owner=owner, name="shop", scope="upload").token
    data = {"title": "Sea", "photo": str(upload.pk)}
    assert Site(owner, token).send("post", data).status_code == 400
    issuing.note_sent(token, upload)
    assert Site(owner, token).send("post", data).status_code == 201


@pytest.mark.parametrize("value", ["sea.jpg", "", 7, ["x"], {"id": 1}, True])
def test_other_values_are_refused(value: object, site: Site) -> None:
    answer = site.send("post", {"title": "Sea", "photo": value})
    assert answer.status_code == 400
    assert [error.code for error in answer.data["photo"]] == ["invalid"]


@pytest.mark.parametrize(
    ("data", "code"), [(b"%PDF-1.7", "unsupported_format"), (b"\xff\xd8\xff\xe0\x00", "unreadable_image")]
)
def test_file_that_is_no_image_is_refused(data: bytes, code: str, site: Site) -> None:
    answer = site.send("post", {"title": "Sea", "photo": picture(data)})
    assert answer.status_code == 400
    assert [error.code for error in answer.data["photo"]] == [code]
    assert (Article.objects.count(), Upload.objects.count()) == (0, 0)


def test_requirements_of_the_field_hold_for_files_and_ids(
    site: Site, owner: User, send: Send, make_image: MakeImage
) -> None:
    small = make_image(width=50, height=50)
    for value in (picture(small), str(send(small).pk)):
        data = {"person": owner.pk, "picture": value}
        answer = site.send("post", data, view=Portraits)
        assert answer.status_code == 400
        assert [error.code for error in answer.data["picture"]] == ["unsuitable_image"]


def test_owner_of_the_row_owns_its_picture(site: Site, stranger: User, make_image: MakeImage) -> None:
    data = {"person": stranger.pk, "picture": picture(make_image(width=200))}
    assert site.send("post", data, view=Portraits).status_code == 201
    assert Portrait.objects.get().picture.owner == stranger


def test_picture_of_an_anonymous_visitor_belongs_to_the_site(make_image: MakeImage) -> None:
    assert Site(None).send("post", {"title": "Sea", "photo": picture(make_image())}).status_code == 201
    assert Article.objects.get().photo.owner.username == SITE_NAME


def test_picture_is_required_unless_it_may_be_null(site: Site, owner: User) -> None:
    answer = site.send("post", {"person": owner.pk}, view=Portraits)
    assert [error.code for error in answer.data["picture"]] == ["required"]
    assert site.send("post", {"title": "Sea"}).data["photo"] is None


def test_update_keeps_replaces_and_removes_the_picture(site: Site, send: Send, make_image: MakeImage) -> None:
    article = Article.objects.create(title="Sea", photo=send())
    site.send("patch", {"title": "Lake"}, pk=article.pk)
    assert Article.objects.get().photo is not None
    site.send("patch", {"photo": picture(make_image(seed=1), "lake.jpg")}, pk=article.pk)
    assert Article.objects.get().photo.filename == "lake.jpg"
    assert site.send("patch", {"photo": None}, pk=article.pk).data["photo"] is None
    assert Article.objects.get().photo is None


def test_schema_has_requests_and_responses() -> None:
    patterns = [path("articles/", Articles.as_view(LIST)), path("articles/<int:pk>/", Articles.as_view(ONE))]
    generator: Any = SchemaGenerator
    with patched_settings(THEIR_SETTINGS):
        schema = generator(patterns=patterns).get_schema(request=None, public=True)
    components = schema["components"]["schemas"]
    sent = components["ArticleRequest"]["properties"]["photo"]
    assert [kind["format"] for kind in sent["oneOf"]] == ["binary", "uuid"]
    assert sent["nullable"] is True
    assert components["Article"]["properties"]["photo"]["allOf"] == [{"$ref": "#/components/schemas/Picture"}]
    assert set(components["Picture"]["properties"]) == {
        "url", "srcset", "width", "height", "placeholder", "status", "alt",
    }  # fmt: skip
