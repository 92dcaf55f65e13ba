"""Rate limits: a sender over the limit is told when to continue. Each sender is counted separately."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from redis import Redis
from rest_framework.test import APIClient

from processing import conf
from tests.conftest import MakeImage, Send
from uploads import checks, services
from uploads.models import Delivery, Endpoint, Event, Upload
from uploads.notices import endpoints, webhooks
from uploads.receiving import rate_limits
from uploads.receiving.rate_limits import Action, RateLimited

pytestmark = pytest.mark.usefixtures("redis_client")


@pytest.fixture(autouse=True)
def _few(settings: Any) -> None:
    """Allow three images an hour for each person, and five for each address."""
    few = {"UPLOADS_PER_PERSON": "3/hour", "UPLOADS_PER_ADDRESS": "5/hour"}
    settings.DARKROOM = {**settings.DARKROOM, **few}


def may_act(action: Action) -> bool:
    try:
        rate_limits.take_action(person=User(pk=1), action=action)
    except RateLimited:
        return False
    return True


def may_send(person_id: int, address: str = "192.0.2.1", count: int = 1) -> bool:
    try:
        rate_limits.take(person=User(pk=person_id), address=address, count=count)
    except RateLimited:
        return False
    return True


def test_images_are_limited_per_person() -> None:
    assert [may_send(1, f"192.0.2.{number}") for number in range(4)] == [True, True, True, False]
    assert may_send(2)


def test_images_are_limited_per_address() -> None:
    assert [may_send(person) for person in range(6)] == [True] * 5 + [False]
    assert may_send(9, "192.0.2.2")


def test_several_files_of_a_request_are_counted_each() -> None:
    assert may_send(1, count=2)
    assert not may_send(1, count=2)
    assert may_send(1)


def test_addresses_of_an_ipv6_network_count_as_one() -> None:
    addresses = [f"2001:db8:0:7::{number:x}" for number in range(6)]
    assert [may_send(person, address) for person, address in enumerate(addresses)] == [True] * 5 + [False]
    assert may_send(9, "2001:db8:0:8::1")


def test_ipv4_addresses_of_an_ipv6_socket_count_apart() -> None:
    addresses = [f"::ffff:192.0.2.{number}" for number in range(1, 3)]
    assert [rate_limits.household(address) for address in addresses] == ["192.0.2.1", "192.0.2.2"]


def test_invalid_address_is_counted() -> None:
    assert rate_limits.household("") == ""
    assert may_send(1, "")


def test_refusal_contains_the_time_to_wait(settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "UPLOADS_PER_PERSON": "1/minute"}
    rate_limits.take(person=User(pk=1), address="")
    with pytest.raises(RateLimited, match=r"Try again in \d+ seconds") as refused:
        rate_limits.take(person=User(pk=1), address="")
    assert 0 < (refused.value.retry_after or 0) <= 120


@pytest.mark.parametrize("none", ["", "0"])
def test_nothing_is_counted_without_a_limit(none: str, settings: Any, redis_client: Redis) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "UPLOADS_PER_PERSON": none, "UPLOADS_PER_ADDRESS": none}
    assert checks.check_rates() == []
    assert all(may_send(1) for _ in range(10))
    assert redis_client.keys("darkroom:rates*") == []


def test_processes_share_their_counts(redis_client: Redis) -> None:
    assert all(may_send(1) for _ in range(3))
    assert redis_client.keys("darkroom:rates*") != []
    other = rate_limits._Counts(
        str(redis_client.connection_pool.connection_kwargs["path"]).join(["unix://", ""])
    )
    assert other.wait(rate_limits.rates("3/hour")[0], "person:1", 1) > 0


def test_uploads_are_allowed_while_redis_is_unavailable() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        counts = rate_limits._Counts(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
    assert counts.wait(rate_limits.rates("1/hour")[0], "person:1", 5) == 0
    assert counts._circuit.is_open


def test_invalid_rate_stops_the_start(settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "UPLOADS_PER_PERSON": "a lot"}
    (error,) = checks.check_rates()
    assert (error.id, "UPLOADS_PER_PERSON" in error.msg) == ("darkroom.E006", True)


@pytest.mark.django_db
def test_form_accepts_files_up_to_the_limit(client: Client, owner: User, make_image: MakeImage) -> None:
    client.force_login(owner)
    files = [SimpleUploadedFile(f"{seed}.jpg", make_image(seed=seed)) for seed in range(5)]
    answer = client.post("/", {"file": files}, follow=True)
    assert Upload.objects.count() == 3
    assert "Too many images in a short time" in answer.content.decode()


ACTION_SETTINGS = {
    Action.REPROCESS: "REPROCESSINGS_PER_PERSON",
    Action.FOCUS: "FOCUSES_PER_PERSON",
    Action.CHANGE: "CHANGES_PER_PERSON",
    Action.WEBHOOK: "WEBHOOK_TESTS_PER_PERSON",
}


@pytest.fixture
def limit(settings: Any) -> Callable[..., None]:
    """Return a function that sets the rate of one kind of action."""

    def change(action: Action, text: str) -> None:
        settings.DARKROOM = {**settings.DARKROOM, ACTION_SETTINGS[action]: text}

    return change


@pytest.mark.parametrize("action", Action)
class TestActions:
    def test_each_kind_has_its_own_rate(self, action: Action, limit: Callable[..., None]) -> None:
        limit(action, "2/minute")
        for _ in range(2):
            rate_limits.take_action(person=User(pk=1), action=action)
        with pytest.raises(RateLimited, match=r"Too many changes .* Try again in \d+ seconds"):
            rate_limits.take_action(person=User(pk=1), action=action)
        for other in Action:
            rate_limits.take_action(person=User(pk=1 if other != action else 2), action=other)

    def test_short_rate_counts_requests_and_long_rate_counts_images(
        self, action: Action, limit: Callable[..., None]
    ) -> None:
        limit(action, "3/minute;500/hour")
        rate_limits.take_action(person=User(pk=1), action=action, images=499)
        rate_limits.take_action(person=User(pk=1), action=action)
        with pytest.raises(RateLimited):
            rate_limits.take_action(person=User(pk=1), action=action)

    def test_defaults_end_repeats_within_a_minute(self, action: Action, limit: Callable[..., None]) -> None:
        limit(action, conf.defaults()[ACTION_SETTINGS[action]])
        assert not all(may_act(action) for _ in range(301))

    def test_invalid_rate_stops_the_start(self, action: Action, limit: Callable[..., None]) -> None:
        limit(action, "a lot")
        (error,) = checks.check_rates()
        assert ACTION_SETTINGS[action] in error.msg


@pytest.mark.django_db
@pytest.mark.usefixtures("started")
class TestRepeats:
    """The API and the pages refuse repeats, and change nothing then."""

    @pytest.mark.parametrize(
        ("action", "verb", "path", "data"),
        [
            (Action.REPROCESS, "post", "/api/uploads/{upload}/reprocess/", None),
            (Action.FOCUS, "patch", "/api/uploads/{upload}/", {"focus": {"x": 0.5, "y": 0.5}}),
            (Action.CHANGE, "patch", "/api/uploads/{upload}/", {"visibility": "private"}),
            (Action.CHANGE, "delete", "/api/uploads/{upload}/", None),
            (Action.CHANGE, "delete", "/api/uploads/{upload}/?permanent=true", None),
            (Action.CHANGE, "post", "/api/uploads/{deleted}/restore/", None),
            (Action.WEBHOOK, "post", "/api/webhooks/{endpoint}/test/", None),
            (Action.WEBHOOK, "post", "/api/webhooks/{endpoint}/deliveries/{delivery}/resend/", None),
        ],
    )
    def test_api_answers_429(
        self,
        *,
        action: Action,
        verb: str,
        path: str,
        data: Any,
        ids: dict[str, str],
        owner: User,
        limit: Callable[..., None],
        client_of: Callable[[User], APIClient],
    ) -> None:
        api, before = client_of(owner), Event.objects.count()
        limit(action, "0/minute")
        answer = getattr(api, verb)(path.format(**ids), data, format="json")
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert int(answer.headers["Retry-After"]) > 0
        assert Event.objects.count() == before
        assert (Upload.objects.live().count(), Upload.objects.get(pk=ids["upload"]).focus) == (1, None)
        limit(action, "1/minute")
        assert getattr(api, verb)(path.format(**ids), data, format="json").status_code < 300

    @pytest.mark.parametrize(
        ("action", "path"),
        [
            (Action.REPROCESS, "/uploads/{upload}/reprocess"),
            (Action.FOCUS, "/uploads/{upload}/focus"),
            (Action.CHANGE, "/uploads/{upload}/visibility"),
            (Action.CHANGE, "/uploads/{upload}/delete"),
            (Action.REPROCESS, "/uploads/selected/reprocess"),
            (Action.CHANGE, "/uploads/selected/private"),
            (Action.CHANGE, "/uploads/selected/delete"),
            (Action.CHANGE, "/uploads/restore"),
            (Action.CHANGE, "/uploads/purge"),
            (Action.WEBHOOK, "/account/webhooks/{endpoint}/test"),
            (Action.CHANGE, "/account/webhooks/{endpoint}/disable"),
            (Action.WEBHOOK, "/account/webhooks/{endpoint}/deliveries/{delivery}/resend"),
        ],
    )
    def test_page_shows_a_message(
        self,
        *,
        action: Action,
        path: str,
        ids: dict[str, str],
        owner: User,
        client: Client,
        limit: Callable[..., None],
    ) -> None:
        client.force_login(owner)
        before, deleted = Event.objects.count(), Upload.objects.get(pk=ids["deleted"])
        fields: dict[str, Any] = {"id": ids["upload"], "deleted_at": deleted.deleted_at}
        fields |= {"x": 9, "y": 9, "visibility": "private"}
        limit(action, "0/minute")
        page = client.post(path.format(**ids), fields, follow=True).content.decode()
        assert "Too many changes in a short time" in page
        assert Event.objects.count() == before
        assert (Upload.objects.count(), Upload.objects.live().count()) == (2, 1)
        upload = Upload.objects.get(pk=ids["upload"])
        assert (upload.visibility, upload.focus) == ("unlisted", None)

    @pytest.fixture
    def ids(self, owner: User, send: Send, make_image: MakeImage) -> dict[str, str]:
        upload, deleted = send(), send(make_image(seed=1))
        services.delete_upload(upload=deleted)
        endpoint = endpoints.add(owner=owner, url="https://example.com/")
        event = Event.objects.create(owner=owner, name=Event.Name.WEBHOOK_TEST)
        delivery = webhooks.create_delivery(event=event, endpoint=endpoint)
        Delivery.objects.filter(pk=delivery.pk).update(failed_at=timezone.now(), next_attempt_at=None)
        rows: dict[str, Upload | Endpoint | Delivery] = {
            "upload": upload, "deleted": deleted, "endpoint": endpoint, "delivery": delivery
        }  # fmt: skip
        return {name: str(row.pk) for name, row in rows.items()}
