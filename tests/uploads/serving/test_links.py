"""URLs of pictures, with the token of a private link or without, and permanent URLs of renditions."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User

from processing.models import Rendition
from tests.conftest import Send
from uploads.models import Upload
from uploads.serving import links

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def test_only_a_private_picture_has_a_token_in_its_address(send: Send) -> None:
    upload = send()
    row = Rendition(key="renditions/ab/abc/thumb-0.jpg", preset="thumb", format="jpeg")
    assert links.picture_path(upload, "small", token="a b") == f"/i/{upload.pk}/small"
    assert links.file_path(upload, row, token="a b") == links.rendition_path(upload, row)
    upload.visibility = Upload.Visibility.PRIVATE
    assert links.picture_path(upload, "small", token="a b") == f"/i/{upload.pk}/small?link=a+b"
    assert links.file_path(upload, row, token="a b") == f"/i/{upload.pk}/thumb.jpg?link=a+b"
    assert links.picture_path(upload, "small") == f"/i/{upload.pk}/small"
    assert links.file_path(upload, row) == links.rendition_path(upload, row)


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
