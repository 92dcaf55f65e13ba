"""Webhooks over the API, for their owner only."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from rest_framework.test import APIClient

from tests.conftest import Send
from tests.receiver import Receiver
from uploads.models import Delivery, Endpoint
from uploads.notices import endpoints, schedule

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(owner: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(owner)


def path_of(endpoint: Endpoint, *more: object) -> str:
    return "".join(f"{part}/" for part in ("/api/webhooks", endpoint.pk, *more))


def make(api: APIClient, **fields: Any) -> Any:
    return api.post("/api/webhooks/", {"url": "https://example.com/hook", **fields}, format="json")


def test_webhook_is_created_with_its_secret(api: APIClient, owner: User) -> None:
    response = make(api, description="The shop", events=["upload.failed", "upload.ready"])
    assert response.status_code == 201
    body = response.json()
    endpoint = Endpoint.objects.get(owner=owner)
    assert body == {
        "id": str(endpoint.pk),
        "url": "https://example.com/hook",
        "description": "The shop",
        "events": ["upload.ready", "upload.failed"],
        "enabled": True,
        "created_at": body["created_at"],
        "disabled_at": None,
        "disabled_reason": "",
        "failing_since": None,
        "secrets": [
            {
                "secret": endpoint.secrets.get().value,
                "created_at": body["secrets"][0]["created_at"],
                "expires_at": None,
            }
        ],
    }
    assert api.get(path_of(endpoint)).json() == body
    assert api.get("/api/webhooks/").json()["results"] == [body]


def test_webhook_can_be_created_disabled(api: APIClient) -> None:
    assert make(api, enabled=False).json()["disabled_reason"] == "owner"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "ftp://example.com/"}, "url"),
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"url": "http://[::1]:8000/"}, "url"),
        ({"url": ""}, "url"),
        ({"events": ["upload.lost"]}, "events"),
        ({"events": ["webhook.test"]}, "events"),
        ({"events": "upload.ready"}, "events"),
        ({"description": "x" * 201}, "description"),
    ],
)
def test_invalid_field_is_refused(api: APIClient, fields: dict[str, Any], field: str) -> None:
    response = make(api, **fields)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert list(response.json()["errors"]) == [field]
    assert response.headers["Content-Type"] == "application/problem+json"
    assert not Endpoint.objects.exists()


def test_eleventh_webhook_is_refused(api: APIClient, owner: User) -> None:
    for number in range(10):
        endpoints.add(owner=owner, url=f"https://example.com/{number}")
    response = make(api)
    assert (response.status_code, response.json()["code"]) == (409, "too_many_endpoints")
    assert "Delete one first" in response.json()["detail"]


def test_every_field_can_be_changed(api: APIClient, owner: User) -> None:
    endpoint = endpoints.add(owner=owner, url="https://example.com/")
    changes = {
        "url": "https://example.org/",
        "description": "Other",
        "events": ["upload.ready"],
        "enabled": False,
    }
    response = api.patch(path_of(endpoint), changes, format="json")
    assert response.status_code == 200
    body = response.json()
    assert {name: body[name] for name in changes} == changes
    assert body["disabled_reason"] == "owner"
    assert api.patch(path_of(endpoint), {"enabled": True}, format="json").json()["enabled"] is True
    assert api.patch(path_of(endpoint), {"url": "http://10.0.0.1/"}, format="json").status_code == 400
    assert api.put(path_of(endpoint), changes, format="json").status_code == 405


def test_deleted_webhook_is_removed_with_its_deliveries(
    api: APIClient, endpoint: Endpoint, send: Send
) -> None:
    send()
    assert api.delete(path_of(endpoint)).status_code == 204
    assert not Delivery.objects.exists()
    assert api.get(path_of(endpoint)).status_code == 404


def test_manual_test_is_accepted_and_sent(api: APIClient, endpoint: Endpoint, receiver: Receiver) -> None:
    response = api.post(path_of(endpoint, "test"))
    assert response.status_code == 202
    body = response.json()
    assert (body["event"], body["upload"], body["state"]) == ("webhook.test", None, "waiting")
    schedule.deliver(body["id"])
    assert receiver.requests[0].id == body["id"]


def test_rotation_returns_both_secrets(api: APIClient, endpoint: Endpoint) -> None:
    former = endpoint.secrets.get().value
    response = api.post(path_of(endpoint, "rotate"))
    assert response.status_code == 200
    present, old = response.json()["secrets"]
    assert (old["secret"], present["expires_at"]) == (former, None)
    assert old["expires_at"] is not None


class TestDeliveries:
    @pytest.fixture
    def delivery(self, send: Send, endpoint: Endpoint) -> Delivery:
        send()
        return endpoint.deliveries.get()

    def test_deliveries_are_listed_newest_first(
        self, api: APIClient, endpoint: Endpoint, delivery: Delivery, receiver: Receiver
    ) -> None:
        receiver.status, receiver.body = 500, b"no room"
        with pytest.raises(schedule.DeliveryFailed):
            schedule.deliver(str(delivery.pk))
        api.post(path_of(endpoint, "test"))
        first = api.get(path_of(endpoint, "deliveries"), {"page_size": 1}).json()
        assert [row["event"] for row in first["results"]] == ["webhook.test"]
        (row,) = api.get(first["next"]).json()["results"]
        assert (
            row.items()
            >= {
                "id": str(delivery.pk),
                "event": "upload.received",
                "upload": str(delivery.event.upload_id),
                "state": "waiting",
                "attempts": 1,
                "delivered_at": None,
                "failed_at": None,
                "status_code": 500,
                "error": "The endpoint answered 500. no room",
            }.items()
        )
        assert row["next_attempt_at"] is not None
        assert row["duration"] >= 0

    def test_delivery_is_sent_again_under_its_id(
        self,
        api: APIClient,
        endpoint: Endpoint,
        delivery: Delivery,
        receiver: Receiver,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        schedule.deliver(str(delivery.pk))
        with django_capture_on_commit_callbacks() as callbacks:
            response = api.post(path_of(endpoint, "deliveries", delivery.pk, "resend"))
        assert response.status_code == 202
        assert (response.json()["id"], response.json()["state"]) == (str(delivery.pk), "waiting")
        assert response.json()["attempts"] == 0
        assert len(callbacks) == 1
        schedule.deliver(str(delivery.pk))
        assert len({(request.id, request.body) for request in receiver.requests}) == 1
        assert len(receiver.requests) == 2

    def test_disabled_webhook_receives_nothing(
        self, api: APIClient, endpoint: Endpoint, delivery: Delivery
    ) -> None:
        endpoints.change(endpoint=endpoint, enabled=False)
        for path in (path_of(endpoint, "test"), path_of(endpoint, "deliveries", delivery.pk, "resend")):
            response = api.post(path)
            assert (response.status_code, response.json()["code"]) == (409, "endpoint_disabled")

    def test_delivery_of_another_endpoint_is_not_found(
        self, api: APIClient, owner: User, delivery: Delivery
    ) -> None:
        other = endpoints.add(owner=owner, url="https://example.com/")
        assert api.post(path_of(other, "deliveries", delivery.pk, "resend")).status_code == 404

    def test_another_user_finds_no_webhook(
        self, endpoint: Endpoint, delivery: Delivery, stranger: User, client_of: Callable[[User], APIClient]
    ) -> None:
        other = client_of(stranger)
        assert other.get("/api/webhooks/").json()["results"] == []
        assert other.get(path_of(endpoint)).status_code == 404
        assert other.patch(path_of(endpoint), {"enabled": False}, format="json").status_code == 404
        assert other.delete(path_of(endpoint)).status_code == 404
        assert other.get(path_of(endpoint, "deliveries")).status_code == 404
        for more in (["test"], ["rotate"], ["deliveries", delivery.pk, "resend"]):
            assert other.post(path_of(endpoint, *more)).status_code == 404
        assert Delivery.objects.get() == delivery
        assert endpoint.secrets.count() == 1


def test_visitor_is_refused(endpoint: Endpoint) -> None:
    for path in ("/api/webhooks/", path_of(endpoint), path_of(endpoint, "deliveries")):
        assert APIClient().get(path).status_code == 401


def test_schema_is_complete(tmp_path: Path) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", file=str(tmp_path / "schema.yaml"))
