"""A person's notices over the API: listed, counted and marked as read."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from tests.conftest import Send
from uploads import completion
from uploads.models import Delivery, Upload

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def api(owner: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(owner)


@pytest.fixture
def ready(send: Send, make_image: Any) -> list[Upload]:
    """Return three ready uploads of one owner, whose notices are a second apart."""
    uploads = [send(make_image(seed=seed), name=f"{seed}.jpg") for seed in range(3)]
    for number, upload in enumerate(uploads):
        completion.run_here(upload)
        Delivery.objects.filter(event__upload=upload).update(
            created_at=timezone.now() + timedelta(seconds=number)
        )
    return uploads


def listed(api: APIClient, **query: Any) -> dict[str, Any]:
    response = api.get("/api/notices/", query)
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


def test_notices_are_listed_newest_first(api: APIClient, ready: list[Upload]) -> None:
    body = listed(api)
    assert (body["unread"], body["next"], body["previous"]) == (3, None, None)
    assert [notice["subject"] for notice in body["results"]] == [
        "2.jpg is ready", "1.jpg is ready", "0.jpg is ready",
    ]  # fmt: skip
    assert set(body["results"][0]) == {"id", "subject", "event", "upload", "created_at", "read_at"}
    newest = body["results"][0]
    assert (newest["event"], newest["upload"], newest["read_at"]) == (
        "upload.ready", str(ready[2].pk), None,
    )  # fmt: skip


def test_each_page_contains_the_total_of_unread_notices(api: APIClient, ready: list[Upload]) -> None:
    first = listed(api, page_size=2)
    assert (first["unread"], len(first["results"])) == (3, 2)
    second = api.get(first["next"]).json()
    assert [notice["subject"] for notice in second["results"]] == ["0.jpg is ready"]


def test_all_notices_can_be_marked_as_read(api: APIClient, ready: list[Upload]) -> None:
    response = api.post("/api/notices/read/")
    assert (response.status_code, response.json()) == (200, {"unread": 0})
    assert all(notice["read_at"] for notice in listed(api)["results"])


def test_some_notices_can_be_marked_as_read(api: APIClient, ready: list[Upload]) -> None:
    ids = [notice["id"] for notice in listed(api)["results"]]
    assert api.post("/api/notices/read/", {"ids": ids[:1]}, format="json").json() == {"unread": 2}
    assert [bool(notice["read_at"]) for notice in listed(api)["results"]] == [True, False, False]
    assert api.post("/api/notices/read/", {"ids": []}, format="json").json() == {"unread": 2}


def test_reading_twice_keeps_the_first_time(api: APIClient, ready: list[Upload]) -> None:
    api.post("/api/notices/read/")
    before = listed(api)
    api.post("/api/notices/read/")
    assert listed(api) == before


def test_mail_deliveries_are_not_listed_or_read(api: APIClient, ready: list[Upload]) -> None:
    assert Delivery.objects.filter(channel=Delivery.Channel.EMAIL).count() == 3
    api.post("/api/notices/read/")
    assert not Delivery.objects.filter(channel=Delivery.Channel.EMAIL).exclude(read_at=None).exists()


def test_another_user_cannot_see_or_read_notices(
    ready: list[Upload], stranger: User, client_of: Callable[[User], APIClient], api: APIClient
) -> None:
    other = client_of(stranger)
    assert listed(other) == {"unread": 0, "next": None, "previous": None, "results": []}
    ids = [notice["id"] for notice in listed(api)["results"]]
    assert other.post("/api/notices/read/", {"ids": ids}, format="json").json() == {"unread": 0}
    assert other.post("/api/notices/read/").json() == {"unread": 0}
    assert listed(api)["unread"] == 3


def test_notice_outlives_its_upload(api: APIClient, ready: list[Upload]) -> None:
    ready[2].delete()
    newest = listed(api)["results"][0]
    assert (newest["subject"], newest["upload"]) == ("2.jpg is ready", None)


@pytest.mark.parametrize("ids", ["all", ["seven"], [str(uuid.uuid4())] * 1001])
def test_invalid_ids_are_refused(ids: Any, api: APIClient) -> None:
    response = api.post("/api/notices/read/", {"ids": ids}, format="json")
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"


def test_visitor_is_refused() -> None:
    assert APIClient().get("/api/notices/").status_code == 401
    assert APIClient().post("/api/notices/read/").status_code == 401
