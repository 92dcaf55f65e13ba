"""URLs: signed links to private images, and permanent URLs of renditions."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User

from processing.models import Rendition
from tests.conftest import MakeImage, Send
from uploads.models import Upload
from uploads.serving import links

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def test_signature_is_valid_only_for_its_upload(send: Send, make_image: MakeImage) -> None:
    upload, other = send(), send(make_image(seed=1))
    value = links.signature(upload)
    assert links.is_signed(upload, value)
    assert not links.is_signed(other, value)


@pytest.mark.parametrize("value", ["", "nonsense", "a:b:c", "\x00", "é:é:é"])
def test_malformed_signature_is_invalid(send: Send, value: str) -> None:
    assert not links.is_signed(send(), value)


def test_changed_signature_is_invalid(send: Send) -> None:
    upload = send()
    value = links.signature(upload)
    assert not links.is_signed(upload, value[:-1] + ("a" if value[-1] != "a" else "b"))


def test_signature_expires(send: Send, settings: Any) -> None:
    upload = send()
    value = links.signature(upload)
    settings.DARKROOM = {**settings.DARKROOM, "SIGNED_LINK_MAX_AGE": -1}
    assert not links.is_signed(upload, value)


def test_only_private_pictures_have_signed_urls(send: Send) -> None:
    upload = send()
    assert links.picture_path(upload, "small") == f"/i/{upload.pk}/small"
    upload.visibility = Upload.Visibility.PRIVATE
    path, _, value = links.picture_path(upload, "small").partition("?signature=")
    assert path == f"/i/{upload.pk}/small"
    assert links.is_signed(upload, value.replace("%3A", ":"))


@pytest.mark.parametrize(
    ("presets", "name"),
    [
        (
            {"thumb": {"width": 100, "height": 100}, "large": {"width": 1280}, "huge": {"width": 4000}},
            "large",
        ),
        ({"thumb": {"width": 100, "height": 100}, "huge": {"width": 4000}}, "huge"),
        ({"thumb": {"width": 100, "height": 100}}, "thumb"),
        ({"tall": {"height": 300}}, "tall"),
    ],
)
def test_main_preset_is_the_largest_up_to_1280(settings: Any, presets: dict[str, Any], name: str) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "PRESETS": presets}
    assert links.main_preset() == name


def test_permanent_url_contains_mark_and_key(send: Send, stranger: User) -> None:
    upload, other = send(), send(by=stranger)
    row = Rendition(key="renditions/ab/abc/thumb-0.webp")
    address = links.rendition_path(upload, row)
    assert re.fullmatch(r"/renditions/[0-9a-f]{16}/abc/thumb-0\.webp", address)
    assert links.rendition_path(other, row) != address
    assert upload.pk.hex[:8] not in address
    assert links.staff_path(row) == "/renditions/ab/abc/thumb-0.webp"
