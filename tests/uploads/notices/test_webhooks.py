"""Webhooks: each event is sent once under a stable id, signed, retried, and finally given up."""

import json
import socket
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.utils import timezone
from standardwebhooks.webhooks import WebhookVerificationError

from deploy.ports import any_free_port
from tests.conftest import Send
from tests.receiver import Receiver, receiving
from tests.threads import at_once
from uploads import broker, services
from uploads.models import Delivery, Endpoint, Event, Secret, Upload
from uploads.notices import endpoints, http_client, preferences, schedule, webhooks
from uploads.notices.announcements import announce
from uploads.notices.schedule import DeliveryFailed

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def upload(send: Send) -> Upload:
    """Return an upload without deliveries for its reception."""
    upload = send()
    Delivery.objects.all().delete()
    return upload


def happen(upload: Upload, name: Event.Name = Event.Name.READY) -> Delivery:
    """Announce an event of an upload, and return its webhook."""
    data = {"reason": "It is not yours."} if name == Event.Name.TAKEN_DOWN else {}
    event = announce(upload, name, **data)
    assert event is not None
    return event.deliveries.get(channel="webhook")


def secret_of(endpoint: Endpoint) -> str:
    return endpoint.secrets.get(expires_at=None).value


def deliver(delivery: Delivery) -> Delivery:
    """Attempt a delivery, and return it with its new state."""
    schedule.deliver(str(delivery.pk))
    delivery.refresh_from_db()
    return delivery


def fail(delivery: Delivery, match: str | None = None) -> Delivery:
    """Attempt a delivery that fails, and return it with its new state."""
    with pytest.raises(DeliveryFailed, match=match):
        schedule.deliver(str(delivery.pk))
    delivery.refresh_from_db()
    return delivery


def pass_time(span: timedelta) -> None:
    """Move all scheduled times closer."""
    for delivery in Delivery.objects.filter(next_attempt_at__isnull=False):
        assert delivery.next_attempt_at is not None
        Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=delivery.next_attempt_at - span)
    for endpoint in Endpoint.objects.filter(resting_until__isnull=False):
        assert endpoint.resting_until is not None
        assert endpoint.failing_since is not None
        Endpoint.objects.filter(pk=endpoint.pk).update(
            resting_until=endpoint.resting_until - span, failing_since=endpoint.failing_since - span
        )


def drain() -> int:
    """Attempt the due deliveries one after the other, like the sweeper and the tasks. Return their number."""
    count = 0
    for delivery in schedule.due():
        following: Delivery | None = delivery
        while following is not None:
            count += 1
            try:
                following = schedule.deliver(str(following.pk))
            except DeliveryFailed:
                following = None
    return count


def refuse(receiver: Receiver, status: int = 500, **headers: str) -> None:
    receiver.status, receiver.headers = (
        status,
        {name.replace("_", "-"): text for name, text in headers.items()},
    )


def happen_again(upload: Upload) -> Delivery:
    """Announce another ready upload of the same owner, and return its webhook."""
    event = Event.objects.create(owner=upload.owner, name=Event.Name.READY, data={"id": "1"})
    webhooks.create_deliveries(event)
    return event.deliveries.get(channel="webhook")


def fail_upload(upload: Upload) -> Delivery:
    event = announce(upload, Event.Name.FAILED, code="unreadable_image", detail="It is damaged.")
    assert event is not None
    return event.deliveries.get(channel="webhook")


class TestEvents:
    @pytest.mark.parametrize("name", Event.OF_UPLOADS)
    def test_every_event_of_an_upload_is_sent(
        self, upload: Upload, endpoint: Endpoint, receiver: Receiver, name: Event.Name
    ) -> None:
        Event.objects.all().delete()
        delivery = deliver(happen(upload, name) if name != Event.Name.FAILED else fail_upload(upload))
        (request,) = receiver.requests
        content = request.verify(secret_of(endpoint))
        event = delivery.event
        assert content == event.payload()
        assert content["type"] == name
        assert (delivery.state, delivery.attempts, delivery.status_code) == ("delivered", 1, 200)
        assert delivery.duration is not None
        assert (request.id, request.headers["content-type"]) == (str(delivery.pk), "application/json")

    def test_body_contains_type_timestamp_and_data(
        self, upload: Upload, endpoint: Endpoint, receiver: Receiver
    ) -> None:
        event = deliver(happen(upload)).event
        assert json.loads(receiver.requests[0].body) == {
            "type": "upload.ready",
            "timestamp": event.created_at.isoformat(),
            "data": {"id": str(upload.pk), "filename": "photo.jpg"},
        }

    def test_only_selected_events_are_sent(self, upload: Upload, endpoint: Endpoint) -> None:
        endpoints.change(endpoint=endpoint, events=["upload.failed", "upload.deleted"])
        announce(upload, Event.Name.READY)
        assert not Delivery.objects.filter(channel="webhook").exists()
        services.delete_upload(upload=upload)
        assert Delivery.objects.get(channel="webhook").subject == "upload.deleted"

    def test_each_enabled_endpoint_of_the_owner_gets_a_delivery(
        self, upload: Upload, endpoint: Endpoint, stranger: Any, receiver: Receiver
    ) -> None:
        other = endpoints.add(owner=upload.owner, url=receiver.url)
        endpoints.add(owner=stranger, url=receiver.url)
        disabled = endpoints.add(owner=upload.owner, url=receiver.url)
        endpoints.change(endpoint=disabled, enabled=False)
        announce(upload, Event.Name.READY)
        made = Delivery.objects.filter(channel="webhook")
        assert set(made.values_list("endpoint", flat=True)) == {endpoint.pk, other.pk}

    def test_event_has_one_delivery_per_endpoint(self, upload: Upload, endpoint: Endpoint) -> None:
        delivery = happen(upload)
        with pytest.raises(IntegrityError), transaction.atomic():
            webhooks.create_delivery(event=delivery.event, endpoint=endpoint)
        assert announce(upload, Event.Name.READY) is None

    @pytest.mark.django_db(transaction=True)
    def test_rolled_back_event_has_no_delivery(self, upload: Upload, endpoint: Endpoint) -> None:
        with transaction.atomic():
            happen(upload)
            transaction.set_rollback(True)
        assert not Delivery.objects.exists()


class TestSigning:
    def test_timestamp_is_the_time_of_the_attempt(
        self, upload: Upload, endpoint: Endpoint, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The header and the signed time agree, even if the clock has a fraction."""
        delivery = happen(upload)
        # This is not before the delivery became due, even if a second has passed.
        at = datetime.now(UTC).replace(microsecond=999_999)
        monkeypatch.setattr(timezone, "now", lambda: at)
        deliver(delivery)
        assert receiver.requests[0].headers["webhook-timestamp"] == str(int(at.timestamp()))
        receiver.requests[0].verify(secret_of(endpoint))

    def test_both_secrets_sign_for_a_day_after_a_rotation(
        self, upload: Upload, endpoint: Endpoint, receiver: Receiver
    ) -> None:
        former = secret_of(endpoint)
        endpoints.rotate(endpoint=endpoint)
        present = secret_of(endpoint)
        assert former != present
        deliver(happen(upload))
        for secret in (former, present):
            receiver.requests[0].verify(secret)
        assert len(receiver.requests[0].headers["webhook-signature"].split(" ")) == 2
        Secret.objects.filter(value=former).update(expires_at=timezone.now())
        deliver(happen(upload, Event.Name.DELETED))
        receiver.requests[1].verify(present)
        with pytest.raises(WebhookVerificationError):
            receiver.requests[1].verify(former)

    def test_each_endpoint_has_its_own_secret(
        self, upload: Upload, endpoint: Endpoint, receiver: Receiver
    ) -> None:
        endpoints.change(endpoint=endpoint, events=["upload.deleted"])
        other = endpoints.add(owner=upload.owner, url=receiver.url)
        deliver(happen(upload))
        receiver.requests[0].verify(secret_of(other))
        with pytest.raises(WebhookVerificationError):
            receiver.requests[0].verify(secret_of(endpoint))

    def test_secrets_follow_the_standard(self) -> None:
        prefix, _, code = webhooks.new_secret().partition("_")
        assert (prefix, len(b64decode(code))) == ("whsec", 32)
        assert webhooks.new_secret() != webhooks.new_secret()


class TestRetries:
    def test_lost_response_repeats_the_same_request(
        self, upload: Upload, endpoint: Endpoint, receiver: Receiver
    ) -> None:
        receiver.instead = lambda connection: connection.shutdown(socket.SHUT_RDWR)
        delivery = fail(happen(upload))
        assert (delivery.state, delivery.status_code) == ("waiting", None)
        receiver.instead = None
        pass_time(timedelta(seconds=6))
        deliver(delivery)
        first, second = receiver.requests
        assert (first.id, first.body) == (second.id, second.body)
        first.verify(secret_of(endpoint))
        second.verify(secret_of(endpoint))

    def test_attempts_follow_the_standard_schedule_and_then_end(
        self,
        upload: Upload,
        endpoint: Endpoint,
        receiver: Receiver,
        monkeypatch: pytest.MonkeyPatch,
        stopped_clock: datetime,
    ) -> None:
        monkeypatch.setattr(endpoints, "_PATIENCE", timedelta(days=100))
        refuse(receiver)
        delivery, delays = happen(upload), []
        while delivery.state == "waiting":
            fail(delivery, match="The endpoint answered 500")
            if delivery.next_attempt_at is not None:
                delays.append((delivery.next_attempt_at - stopped_clock).total_seconds())
                pass_time(timedelta(days=2))
        planned = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
        assert len(delays) == len(planned)
        for delay, plan in zip(delays, planned, strict=True):
            assert plan <= delay <= plan * 1.1
        assert (delivery.state, delivery.attempts, delivery.status_code) == ("failed", 10, 500)
        assert delivery.last_error == "The endpoint answered 500."
        assert len({(request.id, request.body) for request in receiver.requests}) == 1
        assert not schedule.due().exists()

    @pytest.mark.usefixtures("stopped_clock")
    @pytest.mark.parametrize(
        ("status", "wish", "seconds"),
        [(429, "60", 60), (503, "60", 60), (503, "999999", 3600), (503, "1", 5)],
    )
    def test_retry_after_is_respected_up_to_an_hour(
        self,
        upload: Upload,
        receiver: Receiver,
        status: int,
        wish: str,
        seconds: int,
    ) -> None:
        endpoint = endpoints.add(owner=upload.owner, url=receiver.url)
        refuse(receiver, status, Retry_After=wish)
        delivery = fail(happen(upload))
        endpoint.refresh_from_db()
        assert delivery.next_attempt_at is not None
        assert endpoint.resting_until is not None
        assert seconds <= (delivery.next_attempt_at - timezone.now()).total_seconds() <= seconds * 1.1
        assert endpoint.resting_until - timezone.now() == timedelta(seconds=seconds)

    def test_retry_after_is_ignored_for_other_statuses(
        self, upload: Upload, endpoint: Endpoint, receiver: Receiver, stopped_clock: datetime
    ) -> None:
        refuse(receiver, 500, Retry_After="3000")
        delivery = fail(happen(upload))
        assert delivery.next_attempt_at is not None
        assert delivery.next_attempt_at < stopped_clock + timedelta(seconds=6)

    def test_redirect_is_a_failure(self, upload: Upload, endpoint: Endpoint, receiver: Receiver) -> None:
        refuse(receiver, 302, Location=f"{receiver.url}/other")
        assert fail(happen(upload)).status_code == 302
        assert len(receiver.requests) == 1

    def test_webhook_of_a_dead_worker_is_sent_a_minute_later(
        self, upload: Upload, endpoint: Endpoint, receiver: Receiver
    ) -> None:
        def die(*_arguments: object, **_options: object) -> None:
            raise SystemExit

        delivery = happen(upload)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(http_client, "post", die)
            with pytest.raises(SystemExit):
                schedule.deliver(str(delivery.pk))
        assert drain() == 0
        pass_time(timedelta(seconds=60))
        Delivery.objects.update(started_at=timezone.now() - timedelta(seconds=60))
        assert drain() == 1
        assert len(receiver.requests) == 1

    def test_private_url_is_not_requested(
        self, upload: Upload, endpoint: Endpoint, receiver: Receiver, settings: Any
    ) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "WEBHOOK_PRIVATE_ADDRESSES": False}
        delivery = fail(happen(upload), match="not on the public internet")
        assert delivery.last_error == "127.0.0.1 is not on the public internet, so nothing is sent there."
        assert receiver.requests == []

    def test_endpoint_may_be_deleted_during_a_delivery(self, upload: Upload, endpoint: Endpoint) -> None:
        delivery = happen(upload)
        claimed = schedule._claim(str(delivery.pk))
        assert claimed is not None
        endpoint.delete()
        schedule._finish(claimed)
        schedule._postpone(claimed, webhooks.NotTaken("gone"))
        assert not Delivery.objects.filter(channel="webhook").exists()


class TestEndpointOutage:
    def test_endpoint_gets_every_event_after_an_hour_of_outage(
        self, upload: Upload, owner: Any, private_addresses: None
    ) -> None:
        port = any_free_port()
        endpoint = endpoints.add(owner=owner, url=f"http://127.0.0.1:{port}/hook")
        sent = [happen(upload), happen(upload, Event.Name.DELETED)]
        minutes = 0
        while minutes < 60:
            drain()
            pass_time(timedelta(minutes=5))
            minutes += 5
        assert not Delivery.objects.filter(channel="webhook", delivered_at__isnull=False).exists()
        endpoint.refresh_from_db()
        assert endpoint.enabled
        with receiving(port=port) as receiver:
            pass_time(timedelta(hours=3))
            assert drain() == 2
            assert {request.id for request in receiver.requests} == {str(one.pk) for one in sent}
        endpoint.refresh_from_db()
        assert (endpoint.failures, endpoint.failing_since, endpoint.resting_until) == (0, None, None)


class TestFailingEndpoint:
    def test_failing_endpoint_gets_one_delivery_at_a_time(
        self, upload: Upload, endpoint: Endpoint, receiver: Receiver
    ) -> None:
        refuse(receiver)
        many = [happen_again(upload) for _ in range(20)]
        assert drain() == 1
        for delivery in many:
            schedule.deliver(str(delivery.pk))
        assert len(receiver.requests) == 1
        pass_time(timedelta(seconds=5))
        assert drain() == 1
        endpoint.refresh_from_db()
        assert endpoint.failures == 2
        assert sum(Delivery.objects.values_list("attempts", flat=True)) == 2

    def test_back_off_of_a_failing_endpoint_doubles(
        self, upload: Upload, endpoint: Endpoint, receiver: Receiver, stopped_clock: datetime
    ) -> None:
        refuse(receiver)
        for _ in range(20):
            happen_again(upload)
        rests = []
        for _ in range(12):
            assert drain() == 1
            endpoint.refresh_from_db()
            assert endpoint.resting_until is not None
            rests.append((endpoint.resting_until - stopped_clock).total_seconds())
            pass_time(timedelta(hours=1))
        assert rests == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]

    def test_recovered_endpoint_gets_the_rest_immediately(
        self, upload: Upload, endpoint: Endpoint, receiver: Receiver
    ) -> None:
        refuse(receiver)
        for _ in range(20):
            happen_again(upload)
        drain()
        receiver.status = 200
        pass_time(timedelta(seconds=10))
        assert drain() == 20
        assert len({request.id for request in receiver.requests}) == 20

    def test_failing_endpoint_does_not_delay_mail_of_others(
        self, upload: Upload, endpoint: Endpoint, receiver: Receiver, send: Send, stranger: Any
    ) -> None:
        """The sweeper publishes the mail, and one delivery for the endpoint."""
        refuse(receiver)
        for _ in range(50):
            happen_again(upload)
        preferences.choose_email(person=stranger, choice="each")
        announce(send(by=stranger), Event.Name.READY)
        assert schedule.due().count() == 2
        drain()
        assert [message.to for message in mail.outbox] == [["bob@example.com"]]
        assert len(receiver.requests) == 1

    @pytest.mark.django_db(transaction=True)
    def test_failing_endpoint_uses_at_most_two_threads(
        self, upload: Upload, endpoint: Endpoint, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(broker, "publish", lambda _message: True)
        many = [happen_again(upload) for _ in range(8)]
        others_came_back = Barrier(2 + 6)

        def hold(connection: socket.socket) -> None:
            """Answer after the other six threads have returned."""
            others_came_back.wait(timeout=8)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        def attempt(delivery: Delivery) -> None:
            schedule.deliver(str(delivery.pk))
            if not Delivery.objects.filter(pk=delivery.pk, delivered_at__isnull=False).exists():
                others_came_back.wait(timeout=8)

        receiver.instead = hold
        at_once(*[partial(attempt, delivery) for delivery in many])
        assert len(receiver.requests) == 2
        receiver.instead = None
        assert drain() == 6
        assert len({request.id for request in receiver.requests}) == 8
