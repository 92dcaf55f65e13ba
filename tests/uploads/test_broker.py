"""The broker's queue depths and workers, and an unavailable broker."""

import socket
from typing import Any

import pytest
from celery import current_app

from uploads import broker
from uploads.tasks import notify_owner

pytestmark = pytest.mark.usefixtures("redis_client")

QUEUES = {"thumbnails", "renditions", "notifications", "bulk", "maintenance"}


@pytest.fixture
def refusing_broker(monkeypatch: pytest.MonkeyPatch) -> str:
    """Configure a broker at a port on which no server listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"redis://127.0.0.1:{free.getsockname()[1]}/0"
    monkeypatch.setattr(current_app.conf, "broker_url", address)
    monkeypatch.setattr(current_app, "_pool", None)
    return address


def test_every_queue_is_counted() -> None:
    notify_owner.apply_async(kwargs={"upload_id": "1"})
    notify_owner.apply_async(kwargs={"upload_id": "2"}, queue="bulk")
    assert broker.queue_depths() == {**dict.fromkeys(QUEUES, 0), "notifications": 1, "bulk": 1}


@pytest.mark.slow
def test_no_workers_are_reported_if_none_runs() -> None:
    assert broker.workers() == {}


@pytest.mark.usefixtures("refusing_broker")
@pytest.mark.parametrize("question", [broker.queue_depths, broker.workers])
def test_unavailable_broker_is_detected_quickly(question: Any) -> None:
    with pytest.raises(broker.BrokerAway):
        question()


def test_kinds_of_work_without_a_queue_follow_the_routes_of_the_project(settings: Any) -> None:
    assert set(broker.queues().values()) == QUEUES
    names = {f"{kind}_QUEUE": "" for kind in ("THUMBNAILS", "RENDITIONS", "NOTIFICATIONS", "BULK")}
    settings.DARKROOM = {**settings.DARKROOM, **names}
    assert broker.queues()["bulk"] == "renditions"
    assert set(broker.queue_names()) == broker.queue_depths().keys() == QUEUES - {"bulk"}
