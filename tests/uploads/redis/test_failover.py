"""After a failover, connections lead to a replica that answers, but refuses to write: they are replaced."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from kombu.exceptions import OperationalError
from redis import Redis

from myproject import cache
from myproject.cache import ForgivingRedisCache
from myproject.transports import redis as transport
from tests.conftest import MakeImage, Send
from tests.redis_server import Pair
from tests.system import wait_until
from tests.threads import at_once
from tests.workers import running_worker
from uploads.events import stream, wakeups
from uploads.events.stream import follow
from uploads.models import Upload
from uploads.receiving import rate_limits
from uploads.redis.connections import ServerDemoted, pool

pytestmark = pytest.mark.slow


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with Pair(tmp_path).running() as pair:
        yield pair


def succeeds(call: Callable[[], object]) -> bool:
    """Return whether a message was taken."""
    try:
        call()
    except OperationalError:
        return False
    return True


def test_cache_and_limits_go_on_at_the_new_primary(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "PAUSE", 0)
    monkeypatch.setattr(rate_limits, "_PAUSE", 0)
    options = {"pool_class": "uploads.redis.connections.Pool"}
    kept = ForgivingRedisCache(pair.url, {"OPTIONS": options})
    counts, (rate,) = rate_limits._Counts(pair.url), rate_limits.rates("1/hour")
    kept.set("key", "old")
    assert counts.wait(rate, "person:1", 1) == 0
    pair.fail_over()
    # A replica answers reads. The first write finds out that its server is one.
    assert kept.get("key") == "old"
    kept.set("key", "new")
    kept.set("key", "new")
    assert kept.get("key") == "new"
    assert counts.wait(rate, "person:2", 1) == 0
    assert counts.wait(rate, "person:2", 1) == 0
    assert counts.wait(rate, "person:1", 1) > 0
    assert counts.wait(rate, "person:2", 1) > 0


def test_one_refused_write_replaces_all_idle_connections(pair: Pair) -> None:
    with pool(pair.url, seconds=5) as connections:
        several = [connections.get_connection() for _ in range(3)]
        for connection in several:
            connections.release(connection)
        pair.fail_over()
        connection = connections.get_connection()
        connection.send_command("SET", "key", "value")  # type: ignore[no-untyped-call]
        with pytest.raises(ServerDemoted):
            connection.read_response()
        connections.release(connection)
        assert not any(connection.is_connected for connection in several)


@pytest.fixture
def own_wakeups(pair: Pair, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let wake-ups use the pair, and streams look only when they are woken."""
    settings.DARKROOM = {**settings.DARKROOM, "REDIS_URL": pair.url}
    monkeypatch.setattr(wakeups, "_PAUSE", 0)
    monkeypatch.setattr(stream, "KEEP_ALIVE", 600)
    wakeups._wakeups.cache_clear()
    yield
    wakeups._wakeups.cache_clear()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("own_wakeups", "started")
def test_event_streams_are_woken_by_way_of_the_new_primary(
    pair: Pair, send: Send, owner: User, make_image: MakeImage
) -> None:

    async def test() -> None:
        async with asyncio.timeout(60), aclosing(follow(owner_id=owner.pk, after=0)) as blocks:
            await anext(blocks)
            at_once(send)
            assert "upload.received" in await anext(blocks)
            pair.fail_over()
            # The first wake-up finds the replica and is lost. The second also brings the event of the first.
            at_once(lambda: send(make_image(seed=1)))
            at_once(lambda: send(make_image(seed=2)))
            for _ in range(2):
                assert "upload.received" in await anext(blocks)

    asyncio.run(test())
    assert Upload.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_listener_connects_again_from_time_to_time(
    redis_client: Redis, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old primary that has lost the new one gets no wake-ups, and still answers its listeners."""
    monkeypatch.setattr(stream, "_RENEWED", 0.1)
    monkeypatch.setattr(stream, "_LOOK", 0.1)

    def listeners() -> set[str]:
        return {client["id"] for client in redis_client.client_list(_type="pubsub")}

    async def test() -> None:
        async with aclosing(follow(owner_id=owner.pk, after=0)) as blocks:
            await anext(blocks)
            coming = asyncio.create_task(anext(blocks))
            await asyncio.to_thread(wait_until, listeners)
            first = listeners()
            await asyncio.to_thread(wait_until, lambda: listeners() - first)
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    asyncio.run(test())


@pytest.mark.django_db(transaction=True)
def test_worker_and_its_publishers_go_on_at_the_new_primary(pair: Pair, tmp_path: Path) -> None:
    client = Celery(
        set_as_current=False,
        broker=pair.url.replace("unix", "redis+socket"),
        backend=pair.url.replace("unix", "redis+socket"),
    )
    transport.install(client)
    client.conf.update(task_publish_retry=False, broker_transport_options={"max_retries": 0})
    client.conf.result_backend_transport_options = django_settings.CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS

    def add(numbers: tuple[int, int]) -> Any:
        return client.send_task("celery.accumulate", args=numbers, queue="thumbnails", ignore_result=False)

    with running_worker(tmp_path / "log", REDIS_URL=pair.url) as worker:
        assert add((1, 2)).get(timeout=20) == [1, 2]
        pair.fail_over()
        # The publisher's first message is refused, and not lost without an error.
        wait_until(lambda: succeeds(lambda: add((0, 0))), seconds=30)
        assert add((3, 4)).get(timeout=60) == [3, 4]
        assert worker.poll() is None
    client.close()
