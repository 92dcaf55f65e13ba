"""Endpoints: created, changed, rotated, tested, and disabled automatically or by their owners."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import IntegrityError, transaction
from django.utils import timezone

from tests.conftest import Send
from tests.receiver import Receiver
from tests.threads import at_once, run_at_once
from uploads.models import Delivery, Endpoint, Event, Secret
from uploads.notices import endpoints, preferences, schedule
from uploads.notices.schedule import DeliveryFailed
from uploads.notices.url_safety import InvalidURL
from uploads.notices.webhooks import NotTaken

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def delivery(send: Send, endpoint: Endpoint) -> Delivery:
    """Return a webhook that is due."""
    send()
    return endpoint.deliveries.get()


def fail(delivery: Delivery) -> None:
    """Attempt a delivery that the receiver refuses, whether it is due or not."""
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=timezone.now())
    Endpoint.objects.update(resting_until=None)
    with pytest.raises(DeliveryFailed):
        schedule.deliver(str(delivery.pk))


def sent_by(delivery: Delivery) -> int:
    """Attempt a delivery, and return the number of attempts so far."""
    schedule.deliver(str(delivery.pk))
    delivery.refresh_from_db()
    return delivery.attempts


class TestLimit:
    def test_owner_may_have_ten_endpoints(self, owner: User, stranger: User) -> None:
        for number in range(10):
            endpoints.add(owner=owner, url=f"https://example.com/{number}")
        with pytest.raises(endpoints.TooManyEndpoints, match="10 webhooks"):
            endpoints.add(owner=owner, url="https://example.com/more")
        endpoints.add(owner=stranger, url="https://example.com/")
        assert Endpoint.objects.filter(owner=owner).count() == 10

    @pytest.mark.django_db(transaction=True)
    def test_limit_holds_for_concurrent_requests(self, owner: User) -> None:
        for number in range(8):
            endpoints.add(owner=owner, url=f"https://example.com/{number}")
        refused = run_at_once(*[lambda: endpoints.add(owner=owner, url="https://example.com/more")] * 4)
        assert sum(isinstance(error, endpoints.TooManyEndpoints) for error in refused) == 2
        assert Endpoint.objects.count() == 10


def test_setting_allows_private_urls(settings: Any) -> None:
    with pytest.raises(InvalidURL):
        endpoints.check_url("http://127.0.0.1/")
    settings.DARKROOM = {**settings.DARKROOM, "WEBHOOK_PRIVATE_ADDRESSES": True}
    endpoints.check_url("http://127.0.0.1/")


def test_names_reveal_no_secret_and_no_url(endpoint: Endpoint) -> None:
    secret = endpoint.secrets.get()
    assert str(endpoint) == f"endpoint {endpoint.pk}"
    assert str(secret) == f"secret {secret.pk} of {endpoint.pk}"


class TestRotating:
    def test_old_secret_expires_after_a_day(self, endpoint: Endpoint) -> None:
        endpoints.rotate(endpoint=endpoint)
        present, former = endpoint.secrets.all()
        assert present.expires_at is None
        assert former.expires_at is not None
        assert DAY - timedelta(minutes=1) < former.expires_at - timezone.now() <= DAY

    def test_second_rotation_does_not_extend_the_expiry(self, endpoint: Endpoint) -> None:
        endpoints.rotate(endpoint=endpoint)
        first = Secret.objects.earliest("pk")
        endpoints.rotate(endpoint=endpoint)
        assert Secret.objects.earliest("pk").expires_at == first.expires_at

    def test_expired_secret_is_removed(self, endpoint: Endpoint) -> None:
        endpoints.rotate(endpoint=endpoint)
        Secret.objects.filter(expires_at__isnull=False).update(expires_at=timezone.now())
        endpoints.rotate(endpoint=endpoint)
        assert endpoint.secrets.count() == 2

    def test_at_most_five_secrets_sign(self, endpoint: Endpoint) -> None:
        for _ in range(8):
            endpoints.rotate(endpoint=endpoint)
        assert endpoint.secrets.count() == 5
        assert endpoint.secrets.filter(expires_at=None).count() == 1

    def test_endpoint_has_one_permanent_secret(self, endpoint: Endpoint) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            Secret.objects.create(endpoint=endpoint, value="whsec_AAAA")

    @pytest.mark.django_db(transaction=True)
    def test_concurrent_rotations_both_take_effect(self, endpoint: Endpoint) -> None:
        at_once(*[lambda: endpoints.rotate(endpoint=endpoint)] * 2)
        assert endpoint.secrets.count() == 3
        assert endpoint.secrets.filter(expires_at=None).count() == 1


class TestGoneEndpoint:
    def test_gone_endpoint_is_disabled_and_its_owner_notified(
        self, delivery: Delivery, endpoint: Endpoint, receiver: Receiver, owner: User
    ) -> None:
        other = endpoints.add(owner=owner, url=receiver.url)
        receiver.status = 410
        fail(delivery)
        endpoint.refresh_from_db()
        assert (endpoint.enabled, endpoint.disabled_reason) == (False, "gone")
        event = Event.objects.get(name="webhook.disabled")
        assert (event.data["endpoint"], event.data["url"]) == (str(endpoint.pk), receiver.url)
        assert set(event.deliveries.values_list("channel", flat=True)) == {"in_app", "email"}
        assert not other.deliveries.exists()
        # It does not wait for the end of a batch.
        schedule.deliver(str(event.deliveries.get(channel="email").pk))
        (message,) = mail.outbox
        assert message.subject == "A webhook is disabled"
        assert f"The webhook {receiver.url} is disabled." in message.body
        assert "The endpoint answered 410 Gone." in message.body
        assert "/account/webhooks/" in message.body

    def test_owner_is_notified_in_their_language(
        self, delivery: Delivery, owner: User, receiver: Receiver
    ) -> None:
        preferences.choose_language(person=owner, language="de")
        receiver.status = 410
        fail(delivery)
        delivery.refresh_from_db()
        assert delivery.last_error == "Der Endpunkt hat mit 410 geantwortet."
        notice = Event.objects.get(name="webhook.disabled").deliveries.get(channel="email")
        schedule.deliver(str(notice.pk))
        (message,) = mail.outbox
        assert message.subject == "Ein Webhook ist abgeschaltet"
        assert f"Der Webhook {receiver.url} ist abgeschaltet." in message.body
        assert "Der Endpunkt hat mit 410 Gone geantwortet." in message.body

    def test_gone_endpoint_receives_nothing_until_it_is_enabled(
        self, delivery: Delivery, endpoint: Endpoint, receiver: Receiver, send: Send, make_image: Any
    ) -> None:
        receiver.status = 410
        fail(delivery)
        send(make_image(seed=1))
        assert endpoint.deliveries.count() == 1
        Delivery.objects.update(next_attempt_at=timezone.now())
        assert not schedule.due().filter(channel="webhook").exists()
        assert sent_by(delivery) == 1
        receiver.status = 200
        endpoints.change(endpoint=endpoint, enabled=True)
        assert schedule.due().get(channel="webhook") == delivery
        assert sent_by(delivery) == 2
        endpoint.refresh_from_db()
        assert (endpoint.disabled_at, endpoint.disabled_reason, endpoint.failures) == (None, "", 0)

    def test_owner_who_turned_mail_off_gets_only_a_notice(
        self, delivery: Delivery, receiver: Receiver, owner: User
    ) -> None:
        preferences.choose_email(person=owner, choice="none")
        receiver.status = 410
        fail(delivery)
        event = Event.objects.get(name="webhook.disabled")
        assert event.deliveries.get().channel == "in_app"


class TestFailing:
    def test_endpoint_is_disabled_after_failing_for_five_days(
        self, delivery: Delivery, endpoint: Endpoint, receiver: Receiver
    ) -> None:
        receiver.status = 500
        fail(delivery)
        Endpoint.objects.update(failing_since=timezone.now() - 5 * DAY + timedelta(minutes=1))
        fail(delivery)
        endpoint.refresh_from_db()
        assert endpoint.enabled
        Endpoint.objects.update(failing_since=timezone.now() - 5 * DAY)
        fail(delivery)
        endpoint.refresh_from_db()
        assert (endpoint.enabled, endpoint.disabled_reason) == (False, "failing")
        assert "five days" in Event.objects.get(name="webhook.disabled").data["detail"]

    def test_success_resets_the_failures(
        self, delivery: Delivery, endpoint: Endpoint, receiver: Receiver
    ) -> None:
        receiver.status = 500
        fail(delivery)
        Endpoint.objects.update(failing_since=timezone.now() - 9 * DAY, resting_until=None)
        receiver.status = 200
        Delivery.objects.update(next_attempt_at=timezone.now())
        sent_by(delivery)
        endpoint.refresh_from_db()
        assert (endpoint.failures, endpoint.failing_since, endpoint.resting_until) == (0, None, None)

    def test_only_a_new_url_ends_the_back_off(
        self, delivery: Delivery, endpoint: Endpoint, receiver: Receiver
    ) -> None:
        receiver.status = 500
        fail(delivery)
        rest = endpoints.change(endpoint=endpoint, url=receiver.url, enabled=True).resting_until
        assert rest is not None
        changed = endpoints.change(endpoint=endpoint, url=f"{receiver.url}/new")
        assert (changed.failures, changed.failing_since, changed.resting_until) == (0, None, None)

    def test_owner_is_notified_once(self, delivery: Delivery, endpoint: Endpoint, receiver: Receiver) -> None:
        receiver.status = 410
        second = endpoints.send_test(endpoint=endpoint)
        claimed = [schedule._claim(str(one.pk)) for one in (delivery, second)]
        for one in claimed:
            assert one is not None
            schedule._postpone(one, NotTaken("gone", gone=True))
        assert Event.objects.filter(name="webhook.disabled").count() == 1


class TestManualDeliveries:
    def test_manual_test_goes_only_to_its_endpoint_without_a_notice(
        self, endpoint: Endpoint, receiver: Receiver, owner: User
    ) -> None:
        other = endpoints.add(owner=owner, url=receiver.url)
        delivery = endpoints.send_test(endpoint=endpoint)
        assert sent_by(delivery) == 1
        content = receiver.requests[0].verify(endpoint.secrets.get().value)
        assert content["type"] == "webhook.test"
        assert content["data"] == {"endpoint": str(endpoint.pk), "url": receiver.url}
        assert Delivery.objects.get() == delivery
        assert not other.deliveries.exists()

    def test_manual_test_ignores_the_back_off(
        self, delivery: Delivery, endpoint: Endpoint, receiver: Receiver
    ) -> None:
        receiver.status = 500
        fail(delivery)
        receiver.status = 200
        assert sent_by(endpoints.send_test(endpoint=endpoint)) == 1

    def test_repeated_delivery_keeps_its_id(self, delivery: Delivery, receiver: Receiver) -> None:
        sent_by(delivery)
        endpoints.send_again(delivery=delivery)
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts) == ("waiting", 0)
        assert sent_by(delivery) == 1
        first, second = receiver.requests
        assert (first.id, first.body) == (second.id, second.body)

    def test_failed_delivery_gets_all_its_attempts_again(
        self, delivery: Delivery, receiver: Receiver
    ) -> None:
        receiver.status = 500
        Delivery.objects.filter(pk=delivery.pk).update(attempts=9)
        fail(delivery)
        delivery.refresh_from_db()
        assert delivery.state == "failed"
        endpoints.send_again(delivery=delivery)
        fail(delivery)
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts) == ("waiting", 1)

    def test_disabled_endpoint_refuses_deliveries(self, delivery: Delivery, endpoint: Endpoint) -> None:
        endpoints.change(endpoint=endpoint, enabled=False)
        endpoint.refresh_from_db()
        assert endpoint.disabled_reason == "owner"
        before = Delivery.objects.values().get()
        with pytest.raises(endpoints.EndpointDisabled):
            endpoints.send_test(endpoint=endpoint)
        with pytest.raises(endpoints.EndpointDisabled):
            endpoints.send_again(delivery=delivery)
        assert Delivery.objects.values().get() == before
        assert not Event.objects.filter(name__startswith="webhook").exists()
