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
    return sweeper.standing_still(drained=sweeper.LANES if drained else ()).exists()


class TestStalled:
    def test_upload_that_was_never_queued_is_stalled(self, send: Send) -> None:
        send()
        assert not stands_still()
        Upload.objects.update(bulk=True)
        assert stands_still()

    def test_queued_upload_is_not_stalled(self, upload: Upload) -> None:
        assert not stands_still()

    def test_upload_in_no_queue_is_stalled(self, upload: Upload) -> None:
        assert stands_still(drained=True)

    def test_bulk_and_other_uploads_are_checked_by_their_queues(self, upload: Upload) -> None:
        assert not sweeper.standing_still(drained=(sweeper.BULK, sweeper.SIZES)).exists()
        assert sweeper.standing_still(drained=(sweeper.THUMBNAILS,)).exists()
        Upload.objects.update(bulk=True)
        assert sweeper.standing_still(drained=(sweeper.BULK,)).exists()

    def test_upload_whose_sizes_are_queued_is_checked_by_their_queues(self, upload: Upload) -> None:
        Upload.objects.update(next_step=pipeline.SIZES)
        assert not sweeper.standing_still(drained=(sweeper.BULK, sweeper.THUMBNAILS)).exists()
        assert sweeper.standing_still(drained=(sweeper.SIZES,)).exists()

    def test_upload_that_waits_for_a_place_is_not_stalled(self, upload: Upload) -> None:
        Upload.objects.update(next_step=pipeline.SIZES, queued_at=None)
        assert not stands_still(drained=True)

    def test_recently_queued_upload_is_not_stalled(self, upload: Upload) -> None:
        Upload.objects.update(queued_at=timezone.now() - 4 * SECOND)
        assert not stands_still(drained=True)

    @pytest.mark.parametrize("field", ["started_at", "finished_at"])
    def test_upload_with_a_recent_step_is_not_stalled(self, upload: Upload, field: str) -> None:
        moments = {"started_at": timezone.now() - 50 * SECOND, field: timezone.now() - 4 * SECOND}
        Step.objects.create(upload=upload, name="generate_thumbnails", **moments)
        assert not stands_still(drained=True)

    def test_upload_with_an_old_step_is_stalled(self, upload: Upload) -> None:
        moved_at = timezone.now() - 6 * SECOND
        Step.objects.create(
            upload=upload, name="generate_thumbnails", started_at=moved_at, finished_at=moved_at
        )
        assert stands_still(drained=True)

    def test_upload_with_an_expired_lease_is_stalled(self, upload: Upload) -> None:
        add_lease(upload, expires_at=timezone.now() - SECOND)
        assert stands_still()

    def test_upload_queued_after_its_lease_expired_is_not_stalled(self, upload: Upload) -> None:
        add_lease(upload, expires_at=timezone.now() - 61 * SECOND)
        assert not stands_still()

    def test_upload_due_for_a_retry_is_stalled(self, upload: Upload) -> None:
        add_lease(upload, next_attempt_at=timezone.now() - SECOND)
        assert stands_still()

    def test_upload_queued_after_its_retry_was_due_is_not_stalled(self, upload: Upload) -> None:
        add_lease(upload, next_attempt_at=timezone.now() - 61 * SECOND)
        assert not stands_still()

    def test_handed_back_upload_is_stalled_with_any_queue_length(self, upload: Upload) -> None:
        leases.hand_back(leases.acquire(upload.original, "resize_image"))
        assert stands_still(drained=False)

    @pytest.mark.parametrize("field", ["expires_at", "next_attempt_at"])
    def test_upload_with_a_held_or_postponed_lease_is_not_stalled(self, upload: Upload, field: str) -> None:
        add_lease(upload, **{field: timezone.now() + 9 * SECOND})
        Upload.objects.update(queued_at=None)
        assert not stands_still(drained=True)

    def test_upload_with_overtaken_sizes_is_stalled(self, upload: Upload, owner: User) -> None:
        Upload.objects.update(next_step=pipeline.SIZES)
        last = timezone.now() - SECOND
        make_uploads(owner, 1, status="ready", next_step=pipeline.SIZES, queued_at=last)
        assert not stands_still()
        Upload.objects.filter(pk=upload.pk).update(queued_at=timezone.now() - 302 * SECOND)
        assert sweeper.standing_still(drained=()).get() == upload

    @pytest.mark.parametrize("queued", [True, False])
    def test_upload_with_overtaken_thumbnails_is_stalled(
        self, upload: Upload, owner: User, queued: bool
    ) -> None:
        queued_at = timezone.now() if queued else None
        make_uploads(owner, 1, status="processing", next_step=pipeline.SIZES, queued_at=queued_at)
        assert not stands_still()
        Upload.objects.filter(pk=upload.pk).update(queued_at=timezone.now() - 302 * SECOND)
        assert sweeper.standing_still(drained=()).get() == upload

    def test_upload_is_not_overtaken_by_one_that_was_sent_before(self, upload: Upload, owner: User) -> None:
        before = timezone.now() - 3600 * SECOND
        make_uploads(owner, 1, status="ready", next_step=pipeline.SIZES, created_at=before)
        Upload.objects.filter(pk=upload.pk).update(queued_at=timezone.now() - 1800 * SECOND)
        assert not stands_still()

    def test_upload_overtaken_in_another_queue_is_not_stalled(self, upload: Upload, owner: User) -> None:
        make_uploads(owner, 1, status="ready", bulk=True, queued_at=timezone.now())
        Upload.objects.filter(pk=upload.pk).update(queued_at=timezone.now() - 3600 * SECOND)
        assert not stands_still()

    @pytest.mark.parametrize("status", ["ready", "failed"])
    def test_finished_upload_is_not_stalled(self, send: Send, status: str) -> None:
        send()
        Upload.objects.update(status=status)
        assert not stands_still(drained=True)

    def test_deleted_upload_is_not_stalled(self, send: Send) -> None:
        services.delete_upload(upload=send())
        assert not stands_still(drained=True)

    def test_longest_waiting_uploads_are_first(self, owner: User) -> None:
        now = timezone.now()
        for seconds in (20, 40, None, 30):
            queued_at = now - seconds * SECOND if seconds else None
            make_uploads(owner, 1, queued_at=queued_at, bulk=seconds is None)
        found = [upload.queued_at for upload in sweeper.standing_still(drained=sweeper.LANES)]
        assert found == [None, now - 40 * SECOND, now - 30 * SECOND, now - 20 * SECOND]


class TestSweep:
    def test_sweep_of_an_empty_site_does_nothing(self) -> None:
        assert sweeper.sweep() == 0

    def test_stalled_sizes_are_queued_from_the_first_step(self, upload: Upload, redis_client: Redis) -> None:
        Upload.objects.update(next_step=pipeline.SIZES)
        assert [sweeper.sweep(), sweeper.sweep()] == [1, 0]
        assert (redis_client.llen("thumbnails"), redis_client.llen("renditions")) == (1, 0)
        upload.refresh_from_db()
        assert upload.next_step == pipeline.THUMBNAILS

    def test_sizes_that_wait_for_a_place_are_queued(self, upload: Upload, redis_client: Redis) -> None:
        Upload.objects.update(next_step=pipeline.SIZES, queued_at=None)
        assert [sweeper.sweep(), sweeper.sweep()] == [1, 0]
        assert (redis_client.llen("thumbnails"), redis_client.llen("renditions")) == (0, 1)

    def test_stalled_upload_is_queued_once(self, send: Send, redis_client: Redis) -> None:
        upload = send()
        assert [sweeper.sweep(), sweeper.sweep()] == [1, 0]
        assert redis_client.llen("thumbnails") == 1
        upload.refresh_from_db()
        assert upload.queued_at is not None

    def test_uploads_are_published_once_after_redis_lost_them(self, owner: User, redis_client: Redis) -> None:
        make_uploads(owner, 50, queued_at=timezone.now() - 10 * SECOND)
        assert [sweeper.sweep() for _ in range(3)] == [50, 0, 0]
        assert redis_client.llen("thumbnails") == 50
        redis_client.flushdb()
        Upload.objects.update(queued_at=timezone.now() - 10 * SECOND)
        assert sweeper.sweep() == 50

    def test_long_queue_is_not_published_again(self, owner: User, redis_client: Redis) -> None:
        make_uploads(owner, 1000, queued_at=timezone.now() - 3600 * SECOND)
        upload = Upload.objects.select_related("original").first()
        assert upload is not None
        upload.queued_at = timezone.now()
        Upload.objects.filter(pk=upload.pk).update(queued_at=upload.queued_at)
        pipeline.restart(upload)
        assert [sweeper.sweep() for _ in range(3)] == [0, 0, 0]
        assert redis_client.llen("thumbnails") == 1

    @pytest.mark.usefixtures("each")
    def test_due_notice_is_queued_once(self, send: Send, redis_client: Redis) -> None:
        upload = send()
        Upload.objects.update(status="ready")
        announce(upload, Event.Name.READY)
        assert [sweeper.sweep(), sweeper.sweep()] == [1, 0]
        assert redis_client.llen("notifications") == 1
        assert Delivery.objects.get(channel="email").queued_at is not None

    def test_notice_in_no_queue_is_queued_again(self, send: Send, redis_client: Redis) -> None:
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

    def test_digest_is_queued_once_when_its_batch_is_finished(self, send: Send, redis_client: Redis) -> None:
        upload = send()
        Upload.objects.update(status="ready")
        announce(upload, Event.Name.READY)
        assert sweeper.sweep() == 0
        Delivery.objects.update(created_at=timezone.now() - timedelta(seconds=10))
        assert [sweeper.sweep(), sweeper.sweep()] == [1, 0]
        assert redis_client.llen("notifications") == 1

    def test_nothing_is_lost_while_the_broker_is_unavailable(
        self, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send()

        def refuse() -> dict[str, int]:
            raise broker.BrokerAway("connection refused")

        with monkeypatch.context() as patch:
            patch.setattr(sweeper, "queue_depths", refuse)
            assert sweeper.sweep() == 0
        assert sweeper.sweep() == 1

    def test_unpublished_upload_is_queued_later(self, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
        upload = send()
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "publish", lambda _message: False)
            sweeper.sweep()
        upload.refresh_from_db()
        assert upload.queued_at is None
        assert sweeper.sweep() == 1

    def test_bulk_upload_is_queued_in_the_bulk_queue(self, owner: User, redis_client: Redis) -> None:
        make_uploads(owner, 1, bulk=True)
        sweeper.sweep()
        assert (redis_client.llen("bulk"), redis_client.llen("thumbnails")) == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_concurrent_sweeps_publish_once(owner: User, redis_client: Redis) -> None:
    make_uploads(owner, 8)
    at_once(sweeper.sweep, sweeper.sweep, sweeper.sweep)
    assert redis_client.llen("thumbnails") == 8


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
