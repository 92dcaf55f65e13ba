"""Private links over the API, for the owner of the upload only."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework.test import APIClient

from tests.conftest import Send
from uploads import completion, services
from uploads.models import PrivateLink, Upload
from uploads.serving import private_links

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("started")]


@pytest.fixture
def api(owner: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(owner)


@pytest.fixture
def upload(send: Send) -> Upload:
    """Return a private upload that is ready."""
    upload = send()
    services.update_upload(upload=upload, visibility=Upload.Visibility.PRIVATE)
    completion.run_here(upload)
    return upload


def path_of(upload: Upload, *more: object) -> str:
    return "".join(f"{part}/" for part in ("/api/uploads", upload.pk, "links", *more))


def make(api: APIClient, upload: Upload, **fields: Any) -> Any:
    return api.post(path_of(upload), fields, format="json")


def status_of(address: str) -> int:
    """Return the status of a visitor's request."""
    return Client().get(address).status_code


def test_a_link_is_made_and_its_url_shown_once(
    api: APIClient, upload: Upload, stopped_clock: datetime
) -> None:
    response = make(api, upload)
    assert (response.status_code, response.headers["Cache-Control"]) == (201, "no-store")
    body = response.json()
    link = PrivateLink.objects.get()
    url = body.pop("url")
    assert url.startswith(f"http://testserver/i/{upload.pk}/large?link=")
    times = {name: body[name] for name in ("created_at", "expires_at")}
    assert body == {"id": str(link.pk), "preset": None, **times}
    assert parse_datetime(body["expires_at"]) == stopped_clock + timedelta(days=7)
    listed = api.get(path_of(upload)).json()
    assert listed == {"next": None, "previous": None, "results": [body]}
    assert status_of(url) == 200


def test_a_link_for_one_preset_until_a_time(api: APIClient, upload: Upload, stopped_clock: datetime) -> None:
    expires_at = stopped_clock + timedelta(hours=1)
    body = make(api, upload, preset="small", expires_at=expires_at.isoformat()).json()
    assert (body["preset"], parse_datetime(body["expires_at"])) == ("small", expires_at)
    path, _, token = body["url"].partition("?link=")
    assert path == f"http://testserver/i/{upload.pk}/small"
    assert status_of(body["url"]) == 200
    assert status_of(f"/i/{upload.pk}/small.webp?link={token}") == 200
    assert status_of(f"/i/{upload.pk}/large?link={token}") == 404


def test_no_preset_is_every_preset(api: APIClient, upload: Upload) -> None:
    token = make(api, upload, preset=None).json()["url"].partition("?link=")[2]
    assert {status_of(f"/i/{upload.pk}/{name}?link={token}") for name in ("thumb", "xlarge.jpg")} == {200}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"preset": "nothing"}, "preset"),
        ({"preset": ""}, "preset"),
        ({"preset": "small\x00"}, "preset"),
        ({"expires_at": None}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at"),
        ({"expires_in": 60}, "expires_in"),
    ],
)
def test_what_makes_no_sense_is_refused(
    api: APIClient, upload: Upload, fields: dict[str, Any], field: str
) -> None:
    response = make(api, upload, **fields)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert list(response.json()["errors"]) == [field]
    assert not PrivateLink.objects.exists()


def test_a_year_is_the_maximum(api: APIClient, upload: Upload, stopped_clock: datetime) -> None:
    year = stopped_clock + timedelta(days=365)
    refused = make(api, upload, expires_at=(year + timedelta(seconds=1)).isoformat())
    assert "at most 31536000 seconds" in refused.json()["errors"]["expires_at"][0]
    assert make(api, upload, expires_at=year.isoformat()).status_code == 201


def test_a_public_image_needs_none(api: APIClient, upload: Upload) -> None:
    services.update_upload(upload=upload, visibility=Upload.Visibility.UNLISTED)
    response = make(api, upload)
    assert (response.status_code, response.json()["code"]) == (409, "not_private")
    assert api.get(path_of(upload)).json()["results"] == []


def test_one_more_than_the_limit_is_refused(
    api: APIClient, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_links, "LIMIT", 1)
    make(api, upload)
    response = make(api, upload)
    assert (response.status_code, response.json()["code"]) == (409, "too_many_links")
    assert "Revoke one first" in response.json()["detail"]


def test_one_is_revoked(api: APIClient, upload: Upload) -> None:
    kept, gone = make(api, upload).json(), make(api, upload).json()
    assert api.delete(path_of(upload, gone["id"])).status_code == 204
    assert (status_of(kept["url"]), status_of(gone["url"])) == (200, 404)
    assert [link["id"] for link in api.get(path_of(upload)).json()["results"]] == [kept["id"]]
    assert api.delete(path_of(upload, gone["id"])).status_code == 404


def test_all_are_revoked(api: APIClient, upload: Upload) -> None:
    urls = [make(api, upload).json()["url"] for _ in range(2)]
    for _ in range(2):
        assert api.delete(path_of(upload)).status_code == 204
    assert {status_of(url) for url in urls} == {404}
    assert api.get(path_of(upload)).json()["results"] == []


def test_an_expired_one_is_not_there(api: APIClient, upload: Upload) -> None:
    made = make(api, upload).json()
    PrivateLink.objects.update(expires_at=timezone.now())
    assert status_of(made["url"]) == 404
    assert api.get(path_of(upload)).json()["results"] == []
    assert api.delete(path_of(upload, made["id"])).status_code == 404


def test_a_list_has_pages_and_no_other_parameters(api: APIClient, upload: Upload) -> None:
    for _ in range(3):
        make(api, upload)
    first = api.get(f"{path_of(upload)}?page_size=2").json()
    assert len(first["results"]) == 2
    assert len(api.get(first["next"]).json()["results"]) == 1
    assert api.get(f"{path_of(upload)}?preset=small").status_code == 400


def test_links_of_others_are_not_there(
    api: APIClient, upload: Upload, send: Send, stranger: User, client_of: Callable[[User], APIClient]
) -> None:
    made = make(api, upload).json()
    theirs = send(by=stranger)
    for other in (upload, Upload(pk=uuid.uuid4())):
        requests = [
            client_of(stranger).get(path_of(other)),
            client_of(stranger).delete(path_of(other)),
            make(client_of(stranger), other),
            client_of(stranger).delete(path_of(other, made["id"])),
        ]
        assert [answer.status_code for answer in requests] == [404] * 4
    assert client_of(stranger).delete(path_of(theirs, made["id"])).status_code == 404
    assert status_of(made["url"]) == 200


def test_a_deleted_image_has_none(api: APIClient, upload: Upload) -> None:
    services.delete_upload(upload=upload)
    assert api.get(path_of(upload)).status_code == 404
    assert make(api, upload).status_code == 404
