"""A form with an error keeps its picture, so that the sender need not choose it again."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import RequestFactory

from tests.conftest import Send
from tests.pages import image_file
from tests.uploads.forms.conftest import Fill
from uploads import services
from uploads.forms import signed_names
from uploads.forms.keeping import keep_pictures
from uploads.models import Upload

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("started"), pytest.mark.any_database]


def request_of(person: Any) -> Any:
    request = RequestFactory().post("/articles/new")
    request.user = person
    return request


def test_picture_of_an_invalid_form_is_kept(owner: User, fill: Fill) -> None:
    form = fill(title="", file=image_file(), alt="The sea")
    keep_pictures(form, request_of(owner))
    upload = Upload.objects.get()
    assert (upload.owner, upload.made_by_field) == (owner, True)
    page = form.as_p()
    assert "sea.png" in page
    assert "was not saved" not in page
    name = page.partition('name="photo-shown"')[2].partition('value="')[2].partition('"')[0]
    assert signed_names.read(name) == signed_names.SignedName(upload.pk, True)
    assert fill(shown=name, alt="The sea").save().photo == upload


def test_kept_picture_that_the_sender_has_described_shows_its_text(
    owner: User, send: Send, fill: Fill
) -> None:
    services.set_alt(upload=send(image_file().read()), alt="The sea")
    form = fill(title="", file=image_file(), alt="")
    keep_pictures(form, request_of(owner))
    assert 'value="The sea"' in form.as_p()


def test_picture_of_a_visitor_is_named_as_lost(fill: Fill) -> None:
    form = fill(title="", file=image_file())
    keep_pictures(form, request_of(AnonymousUser()))
    assert not Upload.objects.exists()
    assert "sea.png was not saved" in form.as_p()


def test_refusal_is_shown_at_the_field(owner: User, fill: Fill, settings: Any) -> None:
    form = fill(title="", file=image_file())
    assert not form.is_valid()
    settings.DARKROOM = {**settings.DARKROOM, "QUOTA_BYTES": 10}
    keep_pictures(form, request_of(owner))
    assert "Delete some" in str(form.errors["photo"])


def test_refused_picture_is_not_kept(owner: User, fill: Fill) -> None:
    form = fill(title="", file=image_file(), focus="nowhere")
    keep_pictures(form, request_of(owner))
    assert not Upload.objects.exists()


def test_form_without_data_keeps_nothing(owner: User, fill: Fill) -> None:
    form = type(fill())()
    keep_pictures(form, request_of(owner))
    assert not form.errors
