"""All parts are checked at the same time, and a part that hangs does not delay the answer.

All who ask at the same time share one check.
"""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from celery import current_app
from django.core.files.storage import default_storage
from django.db import OperationalError, connections
from django.utils import timezone

from processing.storages import disk_space
from tests.system import wait_until
from uploads import broker
from uploads.models import Heartbeat
from uploads.monitoring import readiness
from uploads.monitoring.readiness import Lookout, Readiness

pytestmark = [
    # Threads check the database, and see only what is committed.
    pytest.mark.django_db(transaction=True),
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


@pytest.mark.parametrize("seconds", [-31, 6, 3600])
def test_old_heartbeat_and_one_from_the_future_are_silence(seconds: int) -> None:
    """A clock that was set back leaves a heartbeat in the future, whether beat runs or not."""
    Heartbeat.objects.create(name="sweep", at=timezone.now() + timedelta(seconds=seconds))
    assert readiness.look().problems["beat"] == "beat has sent no heartbeat for 30 seconds"


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


def test_hanging_database_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(readiness, "_PATIENCE", 0.5)
    monkeypatch.setattr(readiness, "_ask_database", over.wait)
    seen = readiness.look()
    over.set()
    assert seen.problems["database"] == "no answer within 0.5 seconds"
    assert not seen.problems["storage"]
    assert not seen.is_ready


def test_hanging_disk_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(readiness, "_PATIENCE", 1)
    monkeypatch.setattr(disk_space, "problem", over.wait)
    seen = readiness.look()
    over.set()
    assert seen.problems["disk"] == "no answer within 1 seconds"
    assert seen.is_ready


def test_check_of_the_database_leaves_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = threading.Event()
    close_all = connections.close_all

    def close_and_note() -> None:
        close_all()
        closed.set()

    monkeypatch.setattr(connections, "close_all", close_and_note)
    readiness.look()
    assert closed.is_set()


@pytest.mark.parametrize(
    ("name", "is_ready"),
    [("database", False), ("storage", False), ("broker", True), ("workers", True), ("beat", True)],
)
def test_process_needs_its_database_and_storage(name: str, is_ready: bool) -> None:
    problems = dict.fromkeys(["database", "broker", "storage", "workers", "beat"], "") | {name: "away"}
    assert Readiness(problems=problems, depths=None, workers=None, beat_at=None).is_ready is is_ready


class Looks:
    """Counts checks, each of which takes until it is let go, and may fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.go_on = threading.Event()
        self.error: Exception | None = None
        monkeypatch.setattr(readiness, "look", self.look)

    def look(self) -> Readiness:
        self.count += 1
        assert self.go_on.wait(30)
        if self.error:
            raise self.error
        return Readiness(problems={}, depths=None, workers=None, beat_at=None)


class TestSharedCheck:
    @pytest.fixture
    def looks(self, monkeypatch: pytest.MonkeyPatch) -> Looks:
        return Looks(monkeypatch)

    def test_all_who_ask_share_one_check(self, looks: Looks) -> None:
        lookout = Lookout()
        with ThreadPoolExecutor(16) as pool:
            asked = [pool.submit(lookout.latest) for _ in range(16)]
            wait_until(lambda: looks.count)
            looks.go_on.set()
            found = [one.result(timeout=30) for one in asked]
        assert looks.count == 1
        assert all(one is found[0] for one in found)

    def test_result_is_given_for_a_while(self, looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
        looks.go_on.set()
        lookout = Lookout()
        monkeypatch.setattr(readiness, "_FRESH", 600)
        first = lookout.latest()
        assert lookout.latest() is first
        assert looks.count == 1

    def test_old_result_is_replaced(self, looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
        looks.go_on.set()
        lookout = Lookout()
        monkeypatch.setattr(readiness, "_FRESH", 0)
        first = lookout.latest()
        assert lookout.latest() is not first
        assert looks.count == 2

    def test_failed_check_is_repeated(self, looks: Looks) -> None:
        lookout = Lookout()
        looks.error = OperationalError("away")
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(lookout.latest) for _ in range(4)]
            wait_until(lambda: looks.count)
            looks.go_on.set()
            assert {type(one.exception(timeout=30)) for one in asked} == {OperationalError}
        looks.error = None
        assert lookout.latest().problems == {}
