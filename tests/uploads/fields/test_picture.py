"""`PictureField`: files are stored with their row, and refused before."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile, File
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile, UploadedFile
from django.db import models, transaction
from django.db.migrations.writer import MigrationWriter
from django.db.models import ProtectedError, RestrictedError
from django.forms import modelform_factory
from django.test.utils import isolate_apps
from django.utils.datastructures import MultiValueDict

from processing.errors import Refusal
from processing.models import Original, PendingFile
from processing.storages.disk_space import StorageFull
from tests.articles.models import Article, Portrait
from tests.conftest import MakeFile, MakeImage, Send, assert_storage_matches_rows, remove_garbage, stored_keys
from uploads import completion, services
from uploads.fields import PictureField
from uploads.fields.owners import SITE_NAME, NoOwner
from uploads.fields.picture import PictureGone
from uploads.fields.requirements import UnsuitableImage
from uploads.forms import PictureFormField, SentPicture
from uploads.models import Event, Preferences, Quota, Upload
from uploads.receiving.form import TooLarge
from uploads.receiving.quotas import QuotaExceeded

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("started"), pytest.mark.any_database]


class Interrupted(Exception):
    """The transaction is rolled back."""


Wrap = Callable[[bytes, Path], Any]


def on_disk(data: bytes, folder: Path) -> Path:
    path = folder / "sea.jpg"
    path.write_bytes(data)
    return path


WRAPPERS: dict[str, Wrap] = {
    "bytes": lambda data, _folder: data,
    "path": on_disk,
    "ContentFile": lambda data, _folder: ContentFile(data, name="sea.jpg"),
    "File of a stream": lambda data, _folder: File(io.BytesIO(data), name="sea.jpg"),
    "file of a test": lambda data, _folder: SimpleUploadedFile("sea.jpg", data),
    "file in memory": lambda data, _folder: InMemoryUploadedFile(
        io.BytesIO(data), "photo", "sea.jpg", "image/jpeg", len(data), None
    ),
}


class TestAssignment:
    @pytest.mark.parametrize("kind", WRAPPERS)
    def test_file_is_stored_with_its_row(
        self, kind: str, owner: User, make_image: MakeImage, tmp_path: Path
    ) -> None:
        article = Article(title="Sea", photo=WRAPPERS[kind](make_image(), tmp_path))
        article.photo_owner = owner  # type: ignore[attr-defined]
        article.save()
        upload = Article.objects.get().photo
        assert (upload, upload.owner, upload.made_by_field) == (article.photo, owner, True)
        assert upload.filename == ("unnamed" if kind == "bytes" else "sea.jpg")
        assert_storage_matches_rows()

    def test_open_file_is_stored(self, owner: User, make_image: MakeImage, tmp_path: Path) -> None:
        with on_disk(make_image(), tmp_path).open("rb") as file:
            file.read()
            Portrait.objects.create(person=owner, picture=File(file))
        assert Upload.objects.get().filename == "sea.jpg"

    def test_file_that_came_through_the_upload_handler_is_not_copied(
        self, owner: User, make_image: MakeImage, make_file: MakeFile
    ) -> None:
        file = make_file(make_image())
        Portrait.objects.create(person=owner, picture=file)
        assert Upload.objects.get().original.content_hash == file.content_hash
        assert not file.closed

    def test_value_is_the_file_until_the_row_is_saved(self, make_image: MakeImage) -> None:
        data = make_image()
        article = Article(title="Sea", photo=data)
        assert article.photo == data
        assert not Upload.objects.exists()
        article.save()
        assert isinstance(article.photo, Upload)
        assert article.photo_id == article.photo.pk

    def test_saving_again_stores_nothing(self, make_image: MakeImage) -> None:
        article = Article.objects.create(title="Sea", photo=make_image())
        article.save()
        Article.objects.get().save()
        assert Upload.objects.count() == Event.objects.count() == 1

    def test_other_columns_can_be_saved_first(self, make_image: MakeImage) -> None:
        article = Article.objects.create(title="Sea")
        article.photo = make_image()
        article.save(update_fields=["title"])
        assert not Upload.objects.exists()
        article.save(update_fields=["photo"])
        assert Article.objects.get().photo == Upload.objects.get()

    def test_rows_that_are_created_together_get_their_pictures(self, make_image: MakeImage) -> None:
        Article.objects.bulk_create([Article(title="Sea", photo=make_image(seed=seed)) for seed in range(2)])
        assert {article.photo for article in Article.objects.all()} == set(Upload.objects.all())

    def test_new_picture_replaces_the_old(self, make_image: MakeImage) -> None:
        article = Article.objects.create(title="Sea", photo=make_image())
        first = article.photo
        article.photo = make_image(seed=1)
        article.save()
        assert Article.objects.get().photo != first
        assert Upload.objects.live().count() == 2

    def test_upload_is_taken_as_it_is(self, send: Send) -> None:
        upload = send()
        article = Article.objects.create(title="Sea", photo=upload)
        assert Article.objects.get().photo == upload
        article.photo = None
        article.save()
        assert Article.objects.get().photo is None

    def test_another_model_is_refused(self, owner: User) -> None:
        with pytest.raises(ValueError, match='must be a "Upload" instance'):
            Article(title="Sea", photo=owner)  # type: ignore[misc]

    @pytest.mark.parametrize("value", ["sea.jpg", 5, object()])
    def test_other_values_are_refused(self, value: Any) -> None:
        with pytest.raises(TypeError, match=r"Article\.photo takes an Upload"):
            Article(title="Sea", photo=value)

    def test_deleted_upload_is_refused(self, send: Send) -> None:
        upload = send()
        services.delete_upload(upload=upload)
        with pytest.raises(PictureGone, match="Choose the picture again"):
            Article.objects.create(title="Sea", photo=upload)

    def test_same_bytes_of_one_owner_are_one_upload(self, owner: User, make_image: MakeImage) -> None:
        for _ in range(2):
            Portrait.objects.create(person=owner, picture=make_image())
        assert {portrait.picture for portrait in Portrait.objects.all()} == {Upload.objects.get()}


class TestOwner:
    def test_attribute_of_the_row_owns_the_picture(self, owner: User, make_image: MakeImage) -> None:
        assert Portrait.objects.create(person=owner, picture=make_image()).picture.owner == owner

    def test_site_owns_the_others(self, make_image: MakeImage) -> None:
        for seed in range(2):
            Article.objects.create(title="Sea", photo=make_image(seed=seed))
        site = User.objects.get(username=SITE_NAME)
        assert {upload.owner for upload in Upload.objects.all()} == {site}
        assert not site.has_usable_password()
        assert Preferences.objects.get(owner=site).email == Preferences.Email.NONE

    @isolate_apps("tests.articles")
    def test_missing_owner_is_an_error(self, make_image: MakeImage) -> None:
        class Owned(models.Model):
            author = None
            photo = PictureField(owner="author")

            class Meta:
                app_label = "articles"

            def __str__(self) -> str:
                return "owned"

        with pytest.raises(NoOwner, match="author is empty"):
            Owned(photo=make_image()).save()


class TestRefusal:
    def test_broken_file_is_an_error_of_validation(self) -> None:
        with pytest.raises(ValidationError) as caught:
            Article(title="Sea", photo=ContentFile(b"no image", name="sea.jpg")).full_clean()
        assert caught.value.message_dict["photo"][0].startswith("sea.jpg")
        assert caught.value.error_dict["photo"][0].code == "unsupported_format"

    def test_broken_file_cannot_be_saved(self) -> None:
        with pytest.raises(Refusal, match=r"sea\.jpg"), transaction.atomic():
            Article(title="Sea", photo=ContentFile(b"no image", name="sea.jpg")).save()
        assert not Article.objects.exists()
        assert stored_keys() == set()

    def test_large_file_is_refused(self, make_image: MakeImage, settings: Any) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "MAX_UPLOAD_BYTES": 100}
        article = Article(title="Sea", photo=make_image())
        with pytest.raises(ValidationError):
            article.full_clean()
        with pytest.raises(TooLarge):
            article.save()

    def test_full_quota_is_an_error_of_validation(self, owner: User, make_image: MakeImage) -> None:
        Quota.objects.create(owner=owner, max_images=0)
        portrait = Portrait(person=owner, picture=make_image())
        with pytest.raises(ValidationError) as caught:
            portrait.full_clean()
        assert caught.value.error_dict["picture"][0].code == QuotaExceeded.code
        with pytest.raises(QuotaExceeded):
            portrait.save()

    def test_full_disk_is_an_error_of_validation(self, make_image: MakeImage, settings: Any) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "DISK_FREE_BYTES": 10**18, "DISK_FREE_SHARE": 1}
        article = Article(title="Sea", photo=make_image())
        with pytest.raises(ValidationError) as caught:
            article.full_clean()
        assert caught.value.error_dict["photo"][0].code == StorageFull.code
        with pytest.raises(StorageFull):
            article.save()

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"format": "WEBP"}, "one of these formats: JPEG, PNG"),
            ({"width": 60}, "at least 100 pixels wide"),
            ({"format": "PNG", "compress_level": 0}, "larger than 97.7"),
        ],
    )
    def test_requirements_hold_for_files(
        self, owner: User, make_image: MakeImage, options: dict[str, Any], words: str
    ) -> None:
        portrait = Portrait(person=owner, picture=make_image(**options))
        with pytest.raises(ValidationError) as caught:
            portrait.full_clean()
        assert words in caught.value.message_dict["picture"][0]
        with pytest.raises(UnsuitableImage):
            Portrait(person=owner, picture=make_image(**options)).save()
        assert stored_keys() == set()

    def test_requirements_hold_for_uploads(self, owner: User, send: Send, make_image: MakeImage) -> None:
        portrait = Portrait(person=owner, picture=send(make_image(width=60)))
        with pytest.raises(ValidationError, match="at least 100 pixels wide"):
            portrait.full_clean()

    def test_suitable_picture_is_read_once_for_both(
        self, owner: User, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        portrait = Portrait(person=owner, picture=make_image())
        portrait.full_clean()
        monkeypatch.setattr(services, "examine", lambda **_arguments: pytest.fail("examined twice"))
        portrait.save()
        assert Portrait.objects.get().picture == Upload.objects.get()


@transaction.atomic
def save_and_roll_back(owner: User, data: bytes) -> None:
    Portrait.objects.create(person=owner, picture=data)
    raise Interrupted


def save_and_stop(article: Article) -> None:
    article.save()
    raise Interrupted


class TestTransaction:
    def test_row_that_is_rolled_back_leaves_no_upload(self, owner: User, make_image: MakeImage) -> None:
        with pytest.raises(Interrupted):
            save_and_roll_back(owner, make_image())
        assert not any(model.objects.exists() for model in (Portrait, Upload, Original, Event))

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_collector_knows_the_file_of_a_row_that_is_rolled_back(
        self, owner: User, make_image: MakeImage
    ) -> None:
        with pytest.raises(Interrupted):
            save_and_roll_back(owner, make_image())
        assert {record.key for record in PendingFile.objects.all()} >= stored_keys() != set()
        PendingFile.objects.update(due_at="2000-01-01T00:00Z")
        remove_garbage()
        assert stored_keys() == set()

    def test_row_that_was_rolled_back_needs_its_file_again(self, make_image: MakeImage) -> None:
        article = Article(title="Sea", photo=make_image())
        with pytest.raises(Interrupted), transaction.atomic():
            save_and_stop(article)
        with pytest.raises(PictureGone), transaction.atomic():
            article.save()
        article.photo = make_image()
        article.save()
        assert Article.objects.get().photo == Upload.objects.get()

    @pytest.mark.django_db(transaction=True)
    def test_processing_starts_after_the_commit(self, make_image: MakeImage, started: list[Upload]) -> None:
        with transaction.atomic():
            article = Article.objects.create(title="Sea", photo=make_image())
            assert started == []
        assert started == [article.photo]


class TestDeletion:
    def test_deleted_upload_leaves_its_row(self, owner: User, make_image: MakeImage) -> None:
        upload = Article.objects.create(title="Sea", photo=make_image()).photo
        assert upload is not None
        services.purge_upload(owner=upload.owner, upload_id=upload.pk)
        assert Article.objects.get().photo is None

    def test_upload_of_a_required_field_stays(self, owner: User, make_image: MakeImage) -> None:
        portrait = Portrait.objects.create(person=owner, picture=make_image())
        with pytest.raises((RestrictedError, ProtectedError)):
            portrait.picture.delete()

    def test_owner_can_be_deleted_with_both(self, owner: User, make_image: MakeImage) -> None:
        Portrait.objects.create(person=owner, picture=make_image())
        owner.delete()
        assert not Upload.objects.exists()


def sent(data: bytes) -> MultiValueDict[str, UploadedFile[Any]]:
    return MultiValueDict({"photo": [SimpleUploadedFile("sea.jpg", data)]})


class TestForm:
    def test_form_field_is_that_of_a_picture(self) -> None:
        form = modelform_factory(Article, fields=["title", "photo"])()
        assert isinstance(form.fields["photo"], PictureFormField)
        assert not form.fields["photo"].required

    def test_form_stores_the_picture_with_the_row(self, make_image: MakeImage) -> None:
        form_class = modelform_factory(Article, fields=["title", "photo"])
        form = form_class({"title": "Sea"}, sent(make_image()))
        assert form.is_valid(), form.errors
        assert not Upload.objects.exists()
        assert form.save().photo == Upload.objects.get()

    def test_form_reports_a_refused_file(self) -> None:
        form_class = modelform_factory(Article, fields=["title", "photo"])
        form = form_class({"title": "Sea"}, sent(b"no image"))
        assert list(form.errors) == ["photo"]

    def test_values_of_the_form_field_are_taken(self, make_image: MakeImage) -> None:
        article, field = Article(title="Sea"), Article._meta.get_field("photo")
        sent = SentPicture(source=ContentFile(make_image()), alt="The  sea", focus=(0.25, 0.5))
        field.save_form_data(article, sent)
        article.save()
        upload = Article.objects.get().photo
        assert (upload.alt, upload.point) == ("The sea", "250.500")
        field.save_form_data(article, None)
        article.save()
        assert Article.objects.get().photo == upload
        field.save_form_data(article, SentPicture(source=None, alt="", focus=None))
        article.save()
        assert (Article.objects.get().photo.alt, upload.point) == ("", "250.500")
        field.save_form_data(article, False)
        article.save()
        assert Article.objects.get().photo is None

    def test_changes_without_a_picture_are_ignored(self) -> None:
        article = Article(title="Sea")
        Article._meta.get_field("photo").save_form_data(
            article, SentPicture(source=None, alt="The sea", focus=None)
        )
        article.save()
        assert article.photo is None


class TestMigration:
    def test_migration_names_only_what_concerns_the_database(self) -> None:
        field = PictureField(presets=["thumb"], kinds=["jpeg"], min_width=5, owner="author", null=True)
        assert MigrationWriter.serialize(field)[0] == "uploads.fields.PictureField(null=True)"
        kept = PictureField(on_delete=models.CASCADE, related_name="articles")
        assert kept.deconstruct()[3] == {"on_delete": models.CASCADE, "related_name": "articles"}

    def test_field_of_a_migration_is_the_same_relation(self) -> None:
        copy = Article._meta.get_field("photo").clone()
        assert (copy.remote_field.on_delete, copy.null) == (models.SET_NULL, True)


class TestCheck:
    @isolate_apps("tests.articles")
    def test_wrong_arguments_are_found(self) -> None:
        class Wrong(models.Model):
            photo = PictureField(
                presets=["huge"],
                kinds=["psd"],
                min_width=200,
                max_width=100,
                owner="author",
            )
            other = PictureField(max_bytes=0)

            class Meta:
                app_label = "articles"

            def __str__(self) -> str:
                return "wrong"

        # The models of other apps are unknown to an isolated one, which Django reports.
        found = [(error.id, error.msg) for error in Wrong.check() if "darkroom" in str(error.id)]
        assert [number for number, _ in found] == [
            "darkroom.E050", "darkroom.E051", "darkroom.E051", "darkroom.E052", "darkroom.E051",
        ]  # fmt: skip
        assert "'huge'" in found[0][1]
        assert "'psd'" in found[1][1]
        assert "Known presets: large" in found[0][1]

    def test_right_arguments_pass(self) -> None:
        assert Article.check() == Portrait.check() == []


class TestOffer:
    def test_field_offers_its_presets_only(self, make_image: MakeImage) -> None:
        article = Article.objects.create(title="Sea", photo=make_image(width=2000, height=1000))
        completion.run_here(article.photo)
        photo = Article.objects.get().photo
        assert "/large-" in photo.url("large")
        with pytest.raises(ValueError, match="Known presets: large, thumb"):
            photo.url("xlarge")
        assert photo.srcset() == photo.url("large")
