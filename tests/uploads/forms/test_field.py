"""The form field of a picture: new, kept, changed and removed pictures, and forms that are shown again."""

from typing import Any

import pytest
from django import forms
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.articles.forms import ArticleForm
from tests.articles.models import Article
from tests.conftest import MakeImage, Send
from tests.pages import image_file
from tests.uploads.forms.conftest import Fill
from uploads import services
from uploads.forms import PictureFormField, PictureInput, SentPicture, signed_names
from uploads.forms.values import Posted
from uploads.models import Upload

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("started"), pytest.mark.any_database]


def cleaned(form: ArticleForm) -> Any:
    assert form.is_valid(), form.errors
    return form.cleaned_data["photo"]


class TestCleanedValue:
    def test_sent_file_is_the_source(self, fill: Fill) -> None:
        sent = cleaned(fill(file=image_file(), alt="The sea", focus="0.25,0.7"))
        assert isinstance(sent, SentPicture)
        assert (sent.alt, sent.focus) == ("The sea", (0.25, 0.7))
        assert getattr(sent.source, "name", "") == "sea.png"

    def test_sent_upload_is_the_source(self, fill: Fill, upload: Upload) -> None:
        sent = cleaned(fill(shown=signed_names.sign(upload, is_new=True), alt=""))
        assert sent == SentPicture(source=upload, alt="", focus=None)

    def test_new_file_does_not_get_the_text_of_the_old_picture(
        self, fill: Fill, article: Article, upload: Upload
    ) -> None:
        services.set_alt(upload=upload, alt="The sea")
        for posted, alt in (("The sea", None), ("", None), ("Waves", "Waves")):
            article.refresh_from_db()
            assert cleaned(fill(article, file=image_file(), alt=posted)).alt == alt

    def test_form_that_changes_nothing_is_none(self, fill: Fill, article: Article, upload: Upload) -> None:
        services.set_alt(upload=upload, alt="The sea")
        form = fill(article, shown=signed_names.sign(upload, is_new=False), alt="The sea", focus="")
        assert cleaned(form) is None
        assert "photo" not in form.changed_data

    def test_missing_fields_change_nothing(self, fill: Fill, article: Article) -> None:
        assert cleaned(fill(article)) is None

    def test_empty_form_without_a_picture_is_none(self, fill: Fill) -> None:
        form = fill(shown="", alt="", focus="")
        assert cleaned(form) is None
        assert "photo" not in form.changed_data

    def test_other_text_or_point_keeps_the_source(self, fill: Fill, article: Article, upload: Upload) -> None:
        name = signed_names.sign(upload, is_new=False)
        assert cleaned(fill(article, shown=name, alt="Waves")) == SentPicture(alt="Waves")
        article.refresh_from_db()
        point = cleaned(fill(article, shown=name, alt="", focus="0.1,0.9"))
        assert point == SentPicture(focus=(0.1, 0.9))

    def test_same_point_is_no_change(self, fill: Fill, article: Article, upload: Upload) -> None:
        services.set_focus(upload=upload, point=(0.1, 0.9))
        assert cleaned(fill(article, shown=signed_names.sign(upload, is_new=False), focus="0.1,0.9")) is None

    def test_removed_picture_is_false(self, fill: Fill, article: Article) -> None:
        assert cleaned(fill(article, remove="on")) is False
        assert cleaned(fill(remove="on")) is None

    def test_text_of_a_picture_that_another_person_has_replaced_is_ignored(
        self, fill: Fill, article: Article, send: Send, make_image: MakeImage
    ) -> None:
        old = signed_names.sign(send(make_image(seed=7)), is_new=False)
        assert cleaned(fill(article, shown=old, alt="The old one", focus="0.1,0.1")) is None


class TestRefusal:
    def error(self, form: ArticleForm) -> str:
        assert not form.is_valid()
        return str(form.errors["photo"][0])

    def test_new_picture_and_removal_contradict_each_other(self, fill: Fill, article: Article) -> None:
        assert "not both" in self.error(fill(article, file=image_file(), remove="on"))

    def test_required_picture_is_missing(self) -> None:
        for posted in (Posted(), Posted(remove=True)):
            with pytest.raises(forms.ValidationError) as caught:
                PictureFormField().clean(posted)
            assert caught.value.code == "required"

    def test_required_picture_that_is_there_stays(self, upload: Upload) -> None:
        assert PictureFormField().clean(Posted(remove=True), upload.pk) is None

    @pytest.mark.parametrize("focus", ["0.5", "a,b", "0.5,1.1", "nan,0.5", "0.5,0.5,0.5", "-0.1,0"])
    def test_invalid_point_is_refused(self, fill: Fill, focus: str) -> None:
        assert "focal point is not valid" in self.error(fill(file=image_file(), focus=focus))

    def test_long_text_is_refused(self, fill: Fill) -> None:
        assert "Shorten it" in self.error(fill(file=image_file(), alt="x" * 1001))

    def test_file_that_is_no_picture_is_refused(self, fill: Fill) -> None:
        assert self.error(fill(file=SimpleUploadedFile("note.jpg", b"no picture")))

    def test_deleted_upload_is_asked_for_again(self, fill: Fill, upload: Upload) -> None:
        name = signed_names.sign(upload, is_new=True)
        services.delete_upload(upload=upload)
        assert "Choose it again" in self.error(fill(shown=name))


class TestSignedName:
    def test_upload_of_another_person_cannot_be_named(self, fill: Fill, upload: Upload) -> None:
        """Neither a guess nor the name of a picture that some form shows makes an article take it."""
        own = signed_names.sign(upload, is_new=True)
        forged = signing.dumps([upload.pk.hex, True], salt="another salt")
        for name in (str(upload.pk), own[:-1], forged, signed_names.sign(upload, is_new=False)):
            assert cleaned(fill(shown=name)) is None

    def test_old_name_is_not_accepted(
        self, fill: Fill, upload: Upload, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = signed_names.sign(upload, is_new=True)
        monkeypatch.setattr(signed_names, "_AGE", -1)
        assert cleaned(fill(shown=name)) is None


class TestFormShownAgain:
    def test_sent_file_is_named_as_lost(self, fill: Fill) -> None:
        page = fill(title="", file=image_file("<b>.png"), alt="The sea").as_p()
        assert "&lt;b&gt;.png was not saved, because the form has an error. Choose it again." in page
        assert 'value="The sea"' in page

    def test_sent_upload_and_all_else_stay(self, fill: Fill, article: Article, send: Send) -> None:
        sent = send(image_file().read(), name="new.png")
        name = signed_names.sign(sent, is_new=True)
        page = fill(article, title="", shown=name, alt="New", focus="0.1,0.2").as_p()
        assert "new.png" in page
        assert 'value="0.1,0.2"' in page
        again = page.partition('name="photo-shown"')[2].partition('value="')[2].partition('"')[0]
        assert signed_names.read(again) == signed_names.read(name)

    def test_removal_stays(self, fill: Fill, article: Article) -> None:
        assert "checked" in fill(article, title="", remove="on").as_p()


class TestWidget:
    def test_picture_is_shown_with_its_text(self, article: Article, upload: Upload) -> None:
        services.set_alt(upload=upload, alt='"The" sea')
        page = str(ArticleForm(instance=article)["photo"])
        assert "sea.jpg" in page
        assert "&quot;The&quot; sea" in page
        assert "waiting" in page
        assert 'name="photo-remove"' in page

    def test_form_has_a_file_input_and_the_script(self) -> None:
        form = ArticleForm()
        assert form.is_multipart()
        assert 'type="file" name="photo"' in str(form["photo"])
        assert 'name="photo-remove"' not in str(form["photo"])
        assert 'type="module"' in str(form.media)
        assert "picture_input.css" in str(form.media)

    def test_deleted_picture_is_not_shown(self, article: Article, upload: Upload) -> None:
        services.delete_upload(upload=upload)
        assert "sea.jpg" not in str(ArticleForm(instance=article)["photo"])

    def test_widget_has_no_inline_script_or_style(self, article: Article) -> None:
        page = str(ArticleForm(instance=article)["photo"])
        assert "<script" not in page
        assert "style=" not in page

    def test_widget_works_without_the_urls(self, article: Article, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.uploads.forms.no_urls"
        assert 'data-send=""' in str(ArticleForm()["photo"])

    def test_disabled_field_changes_nothing(self, fill: Fill, article: Article) -> None:
        form = fill(article, file=image_file(), remove="on")
        form.fields["photo"].disabled = True
        assert cleaned(form) is None

    def test_omission_is_recognised(self) -> None:
        widget = PictureInput()
        assert widget.value_omitted_from_data({"title": "Sea"}, {}, "photo")
        assert not widget.value_omitted_from_data({"photo-alt": ""}, {}, "photo")


def test_form_saves_its_picture_and_then_only_what_changed(fill: Fill) -> None:
    article = fill(file=image_file(), alt="The sea", focus="0.25,0.7").save()
    upload = Upload.objects.get()
    assert (article.photo, upload.alt, upload.point) == (upload, "The sea", "250.700")
    fill(article, shown=signed_names.sign(upload, is_new=False), alt="Waves").save()
    upload.refresh_from_db()
    assert (Article.objects.get().photo, upload.alt, upload.point) == (upload, "Waves", "250.700")
    fill(article, remove="on").save()
    assert Article.objects.get().photo is None
