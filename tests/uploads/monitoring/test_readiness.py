"""All parts are checked at the same time, and a part that hangs does not delay the answer."""

import socket
import threading
from collections.abc import Iterator

import pytest
from celery import current_app
from django.core.files.storage import default_storage
from django.utils import timezone

from uploads import broker
from uploads.models import Heartbeat
from uploads.monitoring import readiness

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("redis_client"),
    pytest.mark.any_database,
    pytest.mark.slow,
]

QUEUES = {"thumbnails", "renditions", "notifications", "bulk", "maintenance"}


@pytest.fixture
def hanging_storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the storage hang until the test is over."""
    over = threading.Event()
    monkeypatch.setattr(default_storage, "check", over.wait)
    monkeypatch.setattr(readiness, "_PATIENCE", 1)
    yield
    over.set()


@pytest.fixture
def stalled_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Configure a broker that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        monkeypatch.setattr(current_app.conf, "broker_url", address)
        monkeypatch.setattr(current_app, "_pool", None)
        yield


def test_readiness_reports_each_component() -> None:
    beat_at = timezone.now()
    Heartbeat.objects.create(name="sweep", at=beat_at)
    seen = readiness.look()
    assert seen.depths == dict.fromkeys(QUEUES, 0)
    assert seen.workers == {}
    assert seen.beat_at == beat_at
    assert {name for name, problem in seen.problems.items() if problem} == {"workers"}


def test_any_worker_can_serve_a_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = {"one@here": {"bulk"}, "two@here": QUEUES - {"bulk"}, "three@here": {"bulk"}}
    monkeypatch.setattr(broker, "workers", lambda: workers)
    seen = readiness.look()
    assert seen.workers == workers
    assert not seen.problems["workers"]


@pytest.mark.usefixtures("hanging_storage")
def test_hanging_storage_does_not_delay_other_checks() -> None:
    seen = readiness.look()
    assert seen.problems["storage"] == "no answer within 1 seconds"
    assert not seen.problems["broker"]
    assert seen.depths is not None


@pytest.mark.usefixtures("hanging_storage")
def test_repeated_checks_of_a_hanging_storage_do_not_block_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broker, "workers", lambda: {"all@here": QUEUES})
    for _ in range(6):
        problems = readiness.look().problems
        assert problems["storage"] == "no answer within 1 seconds"
        assert not problems["broker"]
        assert not problems["workers"]


def test_recovered_storage_is_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(default_storage, "check", over.wait)
        patch.setattr(readiness, "_PATIENCE", 1)
        assert readiness.look().problems["storage"]
    over.set()
    assert not readiness.look().problems["storage"]


@pytest.mark.usefixtures("stalled_broker")
def test_unresponsive_broker_leaves_figures_unknown() -> None:
    seen = readiness.look()
    assert seen.problems["broker"]
    assert seen.problems["workers"]
    assert (seen.depths, seen.workers) == (None, None)
    assert not seen.problems["storage"]


def test_error_without_a_message_is_reported_by_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise broker.BrokerAway

    monkeypatch.setattr(broker, "queue_depths", away)
    assert readiness.look().problems["broker"] == "BrokerAway"
