"""No response reveals whether another owner has sent the same bytes."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from processing.fingerprint import public_key
from processing.models import Rendition
from tests.conftest import MakeImage, Send
from uploads import completion, services
from uploads.models import Upload

# Each test renders the uploads of several people.
pytestmark = [pytest.mark.django_db, pytest.mark.any_database, pytest.mark.slow]

THEIRS, NEW = 3, 4


@pytest.fixture
def theirs(send: Send, make_image: MakeImage) -> Upload:
    """Return an upload of the owner that is rendered already."""
    upload = send(make_image(seed=THEIRS))
    completion.run_here(upload)
    return upload


@pytest.fixture
def api(client_of: Callable[[User], APIClient], stranger: User, theirs: Upload) -> APIClient:
    return client_of(stranger)


def send_to(api: APIClient, data: bytes, **fields: str) -> Any:
    file = SimpleUploadedFile("photo.jpg", data, "image/jpeg")
    return api.post("/api/uploads/", {"file": file, **fields}, format="multipart")


def shape(value: Any) -> Any:
    """Return a value without its ids, digests and points in time."""
    if isinstance(value, dict):
        return {key: shape(content) for key, content in value.items() if key not in DIFFERENT}
    if isinstance(value, list):
        return [shape(content) for content in value]
    return re.sub(r"[0-9a-f]{16,}|[0-9a-f-]{36}|\d{4}-\d\d-\d\dT[\d:.]+Z", "*", str(value))


# Fields that depend on the pixels, which differ between the two pictures.
DIFFERENT = {"byte_size", "content_hash", "placeholder", "Content-Length"}


def assert_alike(one: Any, other: Any) -> None:
    assert one.status_code == other.status_code
    assert shape(dict(one.items())) == shape(dict(other.items()))
    assert shape(one.json()) == shape(other.json())


@pytest.mark.parametrize("visibility", ["unlisted", "private"])
def test_known_bytes_get_the_same_answers_as_new_ones(
    api: APIClient, make_image: MakeImage, visibility: str
) -> None:
    known, new = (send_to(api, make_image(seed=seed), visibility=visibility) for seed in (THEIRS, NEW))
    assert known.status_code == 201
    assert_alike(known, new)
    for _stage in ("waiting", "ready"):
        addresses = [answer.json()["url"] for answer in (known, new)]
        assert_alike(*map(api.get, addresses))
        pictures = [api.get(f"/i/{answer.json()['id']}/small") for answer in (known, new)]
        assert len({(one.status_code, one["Cache-Control"]) for one in pictures}) == 1
        for answer in (known, new):
            completion.run_here(Upload.objects.get(pk=answer.json()["id"]))
    assert api.get(known.json()["url"]).json()["status"] == "ready"


def test_known_etag_gets_no_304_before_the_own_upload_is_ready(api: APIClient, make_image: MakeImage) -> None:
    """A person who has the bytes can render them elsewhere, and so knows the digest of the rendition."""
    digest = Rendition.objects.filter(preset="small", format="jpeg").get().digest
    upload = send_to(api, make_image(seed=THEIRS)).json()
    for value in (f'"{digest[:32]}"', "*"):
        answer = api.get(f"/i/{upload['id']}/small", headers={"if-none-match": value})
        assert answer.status_code == 202


@pytest.mark.parametrize("visibility", ["unlisted", "private"])
@pytest.mark.parametrize("seed", [THEIRS, NEW])
def test_permanent_url_ends_with_its_upload_although_others_share_the_original(
    api: APIClient, make_image: MakeImage, visibility: str, seed: int
) -> None:
    """Otherwise a person could send a file, delete it and request its renditions to see if others have it."""
    upload = Upload.objects.get(pk=send_to(api, make_image(seed=seed), visibility=visibility).json()["id"])
    completion.run_here(upload)
    addresses = [row["url"] for row in api.get(f"/api/uploads/{upload.pk}/").json()["renditions"]]
    kept = "private" if visibility == "private" else "public"
    for address in addresses:
        assert api.get(address)["Cache-Control"].startswith(kept)
    services.delete_upload(upload=Upload.objects.get(pk=upload.pk))
    assert {api.get(address).status_code for address in addresses} == {404}


def test_permanent_url_cannot_be_derived_from_the_bytes(theirs: Upload, api: APIClient) -> None:
    content_hash = theirs.original.content_hash
    for row in theirs.original.renditions.all():
        name = row.key.rpartition("/")[2]
        for key in (content_hash, content_hash[:40], theirs.original.public_key):
            for mark in (key[:2], "0" * 16):
                assert api.get(f"/renditions/{mark}/{key}/{name}").status_code == 404


def test_public_key_depends_on_the_secret_key() -> None:
    keys = {public_key(content_hash="ab" * 32, secret=secret) for secret in ("one", "two")}
    assert len(keys) == 2
    assert not keys & {"ab" * 20}
