"""The sweeper restarts stalled uploads once, and a long queue does not count as stalled."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone
from redis import Redis

from processing import leases
from processing.models import Lease, Original
from tests.conftest import Send
from uploads import broker, pipeline, services
from uploads.models import Delivery, Event, Step, Upload
from uploads.notices.announcements import announce
from uploads.upkeep import sweeper

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def upload(send: Send) -> Upload:
    """Return an upload that was queued a minute ago."""
    upload = send()
    Upload.objects.update(queued_at=timezone.now() - 60 * SECOND)
    upload.refresh_from_db()
    return upload


def make_uploads(owner: User, count: int, **fields: Any) -> None:
    """Make only rows, because the sweeper reads nothing else."""
    originals = Original.objects.bulk_create(
        Original(content_hash=key * 2, public_key=key, format="jpeg", width=9, height=9, byte_size=9)
        for key in (uuid.uuid4().hex for _ in range(count))
    )
    Upload.objects.bulk_create(
        Upload(owner=owner, original=original, filename="a.jpg", **fields) for original in originals
    )


def add_lease(upload: Upload, **fields: Any) -> None:
    Lease.objects.create(original=upload.original, step="resize_image", token=uuid.uuid4(), **fields)


def stands_still(*, drained: bool = False) -> bool:
    return sweeper.standing_still(drained=(False, True) if drained else ()).exists()


class TestStandingStill:
    def test_what_was_never_queued_and_is_not_held_back(self, send: Send) -> None:
        send()
        assert not stands_still()
        Upload.objects.update(bulk=True)
        assert stands_still()

    def test_not_what_waits_in_a_queue(self, upload: Upload) -> None:
        assert not stands_still()

    def test_what_no_queue_holds(self, upload: Upload) -> None:
        assert stands_still(drained=True)

    def test_each_lane_by_its_own_queues(self, upload: Upload) -> None:
        assert not sweeper.standing_still(drained=(True,)).exists()
        assert sweeper.standing_still(drained=(False,)).exists()
        Upload.objects.update(bulk=True)
        assert sweeper.standing_still(drained=(True,)).exists()

    def test_not_what_was_queued_just_now(self, upload: Upload) -> None:
        Upload.objects.update(queued_at=timezone.now() - 4 * SECOND)
        assert not stands_still(drained=True)

    @pytest.mark.parametrize("field", ["started_at", "finished_at"])
    def test_not_what_has_just_moved(self, upload: Upload, field: str) -> None:
        moments = {"started_at": timezone.now() - 50 * SECOND, field: timezone.now() - 4 * SECOND}
        Step.objects.create(upload=upload, name="generate_thumbnails", **moments)
        assert not stands_still(drained=True)

    def test_what_moved_some_time_ago(self, upload: Upload) -> None:
        moved_at = timezone.now() - 6 * SECOND
        Step.objects.create(
            upload=upload, name="generate_thumbnails", started_at=moved_at, finished_at=moved_at
        )
        assert stands_still(drained=True)

    def test_what_a_worker_has_dropped(self, upload: Upload) -> None:
        add_lease(upload, expires_at=timezone.now() - SECOND)
        assert stands_still()

    def test_not_what_was_queued_after_it_was_dropped(self, upload: Upload) -> None:
        add_lease(upload, expires_at=timezone.now() - 61 * SECOND)
        assert not stands_still()

    def test_what_is_due_for_another_attempt(self, upload: Upload) -> None:
        add_lease(upload, next_attempt_at=timezone.now() - SECOND)
        assert stands_still()

    def test_not_what_was_queued_after_it_was_due(self, upload: Upload) -> None:
        add_lease(upload, next_attempt_at=timezone.now() - 61 * SECOND)
        assert not stands_still()

    def test_what_was_handed_back_however_long_the_queues(self, upload: Upload) -> None:
        leases.hand_back(leases.acquire(upload.original, "resize_image"))
        assert stands_still(drained=False)

    @pytest.mark.parametrize("field", ["expires_at", "next_attempt_at"])
    def test_not_what_is_in_hand(self, upload: Upload, field: str) -> None:
        add_lease(upload, **{field: timezone.now() + 9 * SECOND})
        Upload.objects.update(queued_at=None)
        assert not stands_still(drained=True)

    def test_what_later_ones_have_overtaken(self, upload: Upload, owner: User) -> None:
        make_uploads(owner, 1, status="ready", queued_at=timezone.now() - SECOND)
        assert not stands_still()
        Upload.objects.filter(pk=upload.pk).update(queued_at=timezone.now() - 302 * SECOND)
        assert sweeper.standing_still(drained=()).get() == upload

    def test_not_what_only_those_of_another_queue_have_overtaken(self, upload: Upload, owner: User) -> None:
        make_uploads(owner, 1, status="ready", bulk=True, queued_at=timezone.now())
        Upload.objects.filter(pk=upload.pk).update(queued_at=timezone.now() - 3600 * SECOND)
        assert not stands_still()

    @pytest.mark.parametrize("status", ["ready", "failed"])
    def test_not_what_is_finished(self, send: Send, status: str) -> None:
        send()
        Upload.objects.update(status=status)
        assert not stands_still(drained=True)

    def test_not_what_is_deleted(self, send: Send) -> None:
        services.delete_upload(upload=send())
        assert not stands_still(drained=True)

    def test_those_that_wait_longest_come_first(self, owner: User) -> None:
        now = timezone.now()
        for seconds in (20, 40, None, 30):
            queued_at = now - seconds * SECOND if seconds else None
            make_uploads(owner, 1, queued_at=queued_at, bulk=seconds is None)
        found = [upload.queued_at for upload in sweeper.standing_still(drained=(False, True))]
        assert found == [None, now - 40 * SECOND, now - 30 * SECOND, now - 20 * SECOND]


class TestSweep:
    def test_nothing_to_do(self) -> None:
        assert sweeper.sweep() == 0

    def test_what_stands_still_is_queued_once(self, send: Send, redis_client: Redis) -> None:
        upload = send()
        assert [sweeper.sweep(), sweeper.sweep()] == [1, 0]
        assert redis_client.llen("thumbnails") == 1
        upload.refresh_from_db()
        assert upload.queued_at is not None

    def test_a_redis_that_lost_everything_gets_it_back_once(self, owner: User, redis_client: Redis) -> None:
        make_uploads(owner, 50, queued_at=timezone.now() - 10 * SECOND)
        assert [sweeper.sweep() for _ in range(3)] == [50, 0, 0]
        assert redis_client.llen("thumbnails") == 50
        redis_client.flushdb()
        Upload.objects.update(queued_at=timezone.now() - 10 * SECOND)
        assert sweeper.sweep() == 50

    def test_a_long_queue_is_not_published_again(self, owner: User, redis_client: Redis) -> None:
        make_uploads(owner, 1000, queued_at=timezone.now() - 3600 * SECOND)
        upload = Upload.objects.select_related("original").first()
        assert upload is not None
        upload.queued_at = timezone.now()
        Upload.objects.filter(pk=upload.pk).update(queued_at=upload.queued_at)
        pipeline.restart(upload)
        assert [sweeper.sweep() for _ in range(3)] == [0, 0, 0]
        assert redis_client.llen("thumbnails") == 1

    @pytest.mark.usefixtures("each")
    def test_a_notice_whose_time_has_come_is_queued_once(self, send: Send, redis_client: Redis) -> None:
        upload = send()
        Upload.objects.update(status="ready")
        announce(upload, Event.Name.READY)
        assert [sweeper.sweep(), sweeper.sweep()] == [1, 0]
        assert redis_client.llen("notifications") == 1
        assert Delivery.objects.get(channel="email").queued_at is not None

    def test_a_notice_that_no_queue_holds_is_queued_again(self, send: Send, redis_client: Redis) -> None:
        upload = send()
        Upload.objects.update(status="ready")
        announce(upload, Event.Name.READY)
        Delivery.objects.update(
            queued_at=timezone.now() - 6 * SECOND, next_attempt_at=timezone.now() - MINUTE
        )
        redis_client.lpush("notifications", "something that waits")
        assert sweeper.sweep() == 0
        redis_client.flushdb()
        assert sweeper.sweep() == 1

    def test_a_digest_is_queued_once_when_its_batch_is_over(self, send: Send, redis_client: Redis) -> None:
        upload = send()
        Upload.objects.update(status="ready")
        announce(upload, Event.Name.READY)
        assert sweeper.sweep() == 0
        Delivery.objects.update(created_at=timezone.now() - timedelta(seconds=10))
        assert [sweeper.sweep(), sweeper.sweep()] == [1, 0]
        assert redis_client.llen("notifications") == 1

    def test_while_the_broker_is_away_nothing_is_lost(
        self, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send()

        def refuse() -> dict[str, int]:
            raise broker.BrokerAway("connection refused")

        with monkeypatch.context() as patch:
            patch.setattr(sweeper, "queue_depths", refuse)
            assert sweeper.sweep() == 0
        assert sweeper.sweep() == 1

    def test_what_could_not_be_published_stays_to_be_queued(
        self, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload = send()
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "publish", lambda _message: False)
            sweeper.sweep()
        upload.refresh_from_db()
        assert upload.queued_at is None
        assert sweeper.sweep() == 1

    def test_what_nobody_waits_for_goes_to_its_own_queue(self, owner: User, redis_client: Redis) -> None:
        make_uploads(owner, 1, bulk=True)
        sweeper.sweep()
        assert (redis_client.llen("bulk"), redis_client.llen("thumbnails")) == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_sweeps_at_once_publish_once(owner: User, redis_client: Redis) -> None:
    make_uploads(owner, 15)
    at_once(sweeper.sweep, sweeper.sweep, sweeper.sweep)
    assert redis_client.llen("thumbnails") == 15


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make all calls at the same moment, each in its own thread. Return their results."""
    barrier = Barrier(len(calls))

    def call_in_time(call: Callable[[], Any]) -> Any:
        barrier.wait(timeout=10)
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call_in_time, calls))
