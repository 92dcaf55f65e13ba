"""The pages of webhooks without scripts."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client

from tests.conftest import Send
from tests.receiver import Receiver
from uploads.models import Delivery, Endpoint
from uploads.notices import endpoints, schedule

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def signed_in(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def told(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def act(client: Client, endpoint: Endpoint, action: str) -> list[str]:
    answer = client.post(f"/account/webhooks/{endpoint.pk}/{action}")
    assert answer.status_code == 302
    return told(answer)[-1:]


def test_webhook_is_added(signed_in: Client, owner: User) -> None:
    fields = {"url": "https://example.com/hook", "description": "The <shop>", "events": ["upload.ready"]}
    answer = signed_in.post("/account/webhooks/", fields)
    assert (answer["Location"], told(answer)) == (
        "/account/webhooks/", ["Webhook added. Send a test."],
    )  # fmt: skip
    endpoint = Endpoint.objects.get(owner=owner)
    assert endpoint.events == ["upload.ready"]
    page = signed_in.get("/account/webhooks/").content.decode()
    assert f"/account/webhooks/{endpoint.pk}/" in page
    assert "The &lt;shop&gt;" in page


def test_invalid_url_is_reported_beside_the_field(signed_in: Client) -> None:
    answer = signed_in.post("/account/webhooks/", {"url": "http://127.0.0.1/"})
    assert answer.status_code == 400
    assert "not on the public internet" in answer.content.decode()
    assert not Endpoint.objects.exists()


def test_eleventh_webhook_is_refused_with_a_message(signed_in: Client, owner: User) -> None:
    for number in range(10):
        endpoints.add(owner=owner, url=f"https://example.com/{number}")
    answer = signed_in.post("/account/webhooks/", {"url": "https://example.com/"})
    assert "10 webhooks" in told(answer)[0]


def test_webhook_page_shows_secret_state_and_deliveries(
    signed_in: Client, endpoint: Endpoint, receiver: Receiver, send: Send
) -> None:
    receiver.status, receiver.body = 500, b"<script>alert(1)</script>"
    send()
    with pytest.raises(schedule.DeliveryFailed):
        schedule.deliver(str(Delivery.objects.get().pk))
    page = signed_in.get(f"/account/webhooks/{endpoint.pk}/").content.decode()
    assert endpoint.secrets.get().value in page
    assert "upload.received" in page
    assert "1 attempt" in page
    assert "The endpoint answered 500. &lt;script&gt;" in page
    assert "failing since" in page


def test_each_button_performs_its_action(signed_in: Client, endpoint: Endpoint) -> None:
    assert act(signed_in, endpoint, "test") == ["Test event queued."]
    assert act(signed_in, endpoint, "rotate")[0].startswith("New secret created")
    assert endpoint.secrets.count() == 2
    assert act(signed_in, endpoint, "disable") == ["Webhook disabled."]
    assert act(signed_in, endpoint, "test")[0].startswith("The webhook is disabled. Enable it first.")
    assert Delivery.objects.filter(event__name="webhook.test").count() == 1
    assert "disabled: by the owner" in signed_in.get(f"/account/webhooks/{endpoint.pk}/").content.decode()
    assert act(signed_in, endpoint, "enable") == ["Webhook enabled."]
    assert act(signed_in, endpoint, "delete") == ["Webhook deleted."]
    assert not Endpoint.objects.exists()


def test_delivery_is_sent_again(
    signed_in: Client, endpoint: Endpoint, receiver: Receiver, send: Send
) -> None:
    send()
    delivery = Delivery.objects.get()
    schedule.deliver(str(delivery.pk))
    answer = signed_in.post(f"/account/webhooks/{endpoint.pk}/deliveries/{delivery.pk}/resend")
    assert told(answer) == ["Delivery queued again."]
    schedule.deliver(str(delivery.pk))
    assert len(receiver.requests) == 2


def test_another_user_finds_no_webhook(
    client: Client, endpoint: Endpoint, stranger: User, send: Send
) -> None:
    send()
    delivery = Delivery.objects.get()
    client.force_login(stranger)
    assert client.get(f"/account/webhooks/{endpoint.pk}/").status_code == 404
    for more in ("test", "rotate", "delete", f"deliveries/{delivery.pk}/resend"):
        assert client.post(f"/account/webhooks/{endpoint.pk}/{more}").status_code == 404
    assert endpoint.url not in client.get("/account/webhooks/").content.decode()
    assert endpoint.secrets.count() == 1


def test_unknown_action_is_not_found_and_get_is_refused(signed_in: Client, endpoint: Endpoint) -> None:
    assert signed_in.post(f"/account/webhooks/{endpoint.pk}/explode").status_code == 404
    assert signed_in.get(f"/account/webhooks/{endpoint.pk}/delete").status_code == 405
    assert signed_in.post(f"/account/webhooks/{endpoint.pk}/").status_code == 405


def test_visitor_is_redirected_to_sign_in(client: Client, endpoint: Endpoint) -> None:
    for path in ("/account/webhooks/", f"/account/webhooks/{endpoint.pk}/"):
        assert client.get(path)["Location"].startswith("/accounts/login/")
