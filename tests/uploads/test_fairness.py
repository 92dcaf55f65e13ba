"""Fair queues: of each owner, only some thumbnails and some sizes are queued. The others wait."""

import base64
import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from redis import Redis

from processing.images.reading.refusals import UnreadableImage
from processing.models import Original
from tests.conftest import Send
from uploads import completion, pipeline, services
from uploads.broker import publish
from uploads.models import Upload
from uploads.upkeep import sweeper

AT_ONCE = 3


@pytest.fixture(autouse=True)
def _few_at_once(settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "UPLOADS_AT_ONCE": AT_ONCE}


def make_uploads(owner: User, count: int, **fields: Any) -> list[Upload]:
    """Make only rows, which no worker renders. Return them in their order, a second apart."""
    originals = Original.objects.bulk_create(
        Original(content_hash=key * 2, public_key=key, format="jpeg", width=9, height=9, byte_size=9)
        for key in (uuid.uuid4().hex for _ in range(count))
    )
    first = timezone.now() - timedelta(seconds=count)
    return Upload.objects.bulk_create(
        Upload(
            owner=owner,
            original=original,
            filename="a.jpg",
            created_at=first + timedelta(seconds=number),
            **fields,
        )
        for number, original in enumerate(originals)
    )


def queued(owner: User, step: str = pipeline.THUMBNAILS) -> list[Upload]:
    """Return the owner's uploads whose next step is this one and is published, oldest first."""
    found = Upload.objects.filter(owner=owner, next_step=step, queued_at__isnull=False)
    return list(found.order_by("created_at"))


def published(redis: Redis, queue: str) -> list[str]:
    """Return the content hashes of the messages in a queue, in the order in which workers take them."""
    messages: list[bytes] = redis.lrange(queue, 0, -1)  # type: ignore[assignment]
    bodies = [json.loads(base64.b64decode(json.loads(raw)["body"])) for raw in reversed(messages)]
    return [keywords["content_hash"] for _arguments, keywords, _embedded in bodies]


def hashes_of(uploads: list[Upload]) -> list[str]:
    return [upload.original.content_hash for upload in uploads]


def do(redis: Redis, queue: str) -> None:
    """Take the next message of a queue, and record what its step would report."""
    content_hash = published(redis, queue)[0]
    redis.rpop(queue)
    if queue == "thumbnails":
        with transaction.atomic():
            completion.on_step_started(content_hash=content_hash, step=pipeline.THUMBNAILS)
            completion.on_step_finished(content_hash=content_hash, step=pipeline.THUMBNAILS)
    else:
        upload = Upload.objects.get(original__content_hash=content_hash)
        Upload.objects.filter(pk=upload.pk).update(status="ready")
        pipeline.start_next(upload.owner_id)


@pytest.mark.django_db(transaction=True)
class TestThumbnails:
    def test_thousand_uploads_do_not_delay_other_owners(
        self, owner: User, stranger: User, send: Send, redis_client: Redis
    ) -> None:
        make_uploads(owner, 1000)
        pipeline.start_next(owner.pk)
        theirs = send(by=stranger)
        assert queued(stranger) == [theirs]
        assert redis_client.llen("thumbnails") == AT_ONCE + 1

    def test_newest_uploads_are_queued_first(self, owner: User, redis_client: Redis) -> None:
        uploads = make_uploads(owner, 5)
        assert pipeline.start(uploads[0]) is True
        assert published(redis_client, "thumbnails") == hashes_of(uploads[:1:-1])
        newest = make_uploads(owner, 1)
        do(redis_client, "thumbnails")
        assert published(redis_client, "thumbnails") == hashes_of([uploads[3], uploads[2], *newest])

    def test_thumbnails_do_not_wait_for_sizes(self, owner: User, redis_client: Redis) -> None:
        uploads = make_uploads(owner, 20)
        pipeline.start_next(owner.pk)
        for _ in uploads:
            do(redis_client, "thumbnails")
        assert not Upload.objects.filter(thumbnails_ready_at=None).exists()
        assert redis_client.llen("thumbnails") == 0
        # None of the sizes is done, and the queue holds only the limit of them.
        assert redis_client.llen("renditions") == AT_ONCE

    def test_held_back_uploads_fill_the_free_places(self, owner: User, redis_client: Redis) -> None:
        uploads = make_uploads(owner, 8)
        pipeline.start_next(owner.pk)
        Upload.objects.filter(pk__in=[upload.pk for upload in uploads[-2:]]).update(status="ready")
        assert pipeline.start_next(owner.pk) == [True, True]
        assert pipeline.start_next(owner.pk) == []
        assert queued(owner) == uploads[3:]

    def test_failed_upload_releases_the_next(self, owner: User, redis_client: Redis) -> None:
        uploads = make_uploads(owner, 5)
        pipeline.start_next(owner.pk)
        completion.fail(uploads[-1], UnreadableImage("It is damaged."))
        assert queued(owner) == uploads[1:]

    def test_deleted_upload_releases_the_next(self, owner: User, redis_client: Redis) -> None:
        uploads = make_uploads(owner, 5)
        pipeline.start_next(owner.pk)
        services.delete_upload(upload=uploads[-1])
        assert queued(owner) == uploads[1:]

    def test_sweeper_releases_held_back_uploads(
        self, owner: User, stranger: User, redis_client: Redis
    ) -> None:
        for person in (owner, stranger):
            make_uploads(person, 5)
        assert [sweeper.sweep(), sweeper.sweep()] == [2 * AT_ONCE, 0]
        Upload.objects.filter(pk=queued(stranger)[0].pk).update(status="ready")
        assert [sweeper.sweep(), sweeper.sweep()] == [1, 0]

    def test_unavailable_broker_is_tried_once(
        self, owner: User, monkeypatch: pytest.MonkeyPatch, redis_client: Redis
    ) -> None:
        make_uploads(owner, 5)
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "publish", lambda _message: False)
            assert pipeline.start_next(owner.pk) == [False]
        assert queued(owner) == []
        assert pipeline.start_next(owner.pk) == [True] * AT_ONCE


@pytest.mark.django_db(transaction=True)
class TestSizes:
    def test_sizes_follow_their_thumbnails(self, owner: User, redis_client: Redis) -> None:
        (upload,) = make_uploads(owner, 1)
        pipeline.start(upload)
        assert redis_client.llen("renditions") == 0
        do(redis_client, "thumbnails")
        assert published(redis_client, "renditions") == hashes_of([upload])
        assert queued(owner, pipeline.SIZES) == [upload]

    def test_sizes_are_queued_in_the_order_of_arrival(self, owner: User, redis_client: Redis) -> None:
        uploads = make_uploads(owner, 5, next_step=pipeline.SIZES)
        pipeline.start_next(owner.pk)
        assert published(redis_client, "renditions") == hashes_of(uploads[:AT_ONCE])
        do(redis_client, "renditions")
        assert published(redis_client, "renditions") == hashes_of(uploads[1 : AT_ONCE + 1])

    def test_hundred_sizes_do_not_delay_those_of_another_owner(
        self, owner: User, stranger: User, redis_client: Redis
    ) -> None:
        make_uploads(owner, 100, next_step=pipeline.SIZES)
        pipeline.start_next(owner.pk)
        theirs = make_uploads(stranger, 1, next_step=pipeline.SIZES)
        pipeline.start_next(stranger.pk)
        assert published(redis_client, "renditions")[AT_ONCE:] == hashes_of(theirs)

    def test_sizes_do_not_hold_back_thumbnails(self, owner: User, redis_client: Redis) -> None:
        make_uploads(owner, 100, next_step=pipeline.SIZES)
        pipeline.start_next(owner.pk)
        newest = make_uploads(owner, 1)
        pipeline.start(newest[0])
        assert published(redis_client, "thumbnails") == hashes_of(newest)

    def test_all_sizes_of_a_batch_are_done_at_last(self, owner: User, redis_client: Redis) -> None:
        make_uploads(owner, 10)
        pipeline.start_next(owner.pk)
        for queue in ("thumbnails", "renditions"):
            for _ in range(10):
                do(redis_client, queue)
        assert not Upload.objects.exclude(status="ready").exists()
        assert (redis_client.llen("thumbnails"), redis_client.llen("renditions")) == (0, 0)

    def test_sizes_wait_while_their_owner_waits_for_thumbnails(
        self, owner: User, stranger: User, redis_client: Redis
    ) -> None:
        make_uploads(owner, AT_ONCE + 1)
        make_uploads(owner, 1, next_step=pipeline.SIZES)
        theirs = make_uploads(stranger, 1, next_step=pipeline.SIZES)
        for person in (owner, stranger):
            pipeline.start_next(person.pk)
        assert published(redis_client, "renditions") == hashes_of(theirs)
        for _ in range(AT_ONCE + 1):
            assert len(queued(owner, pipeline.SIZES)) == 0
            do(redis_client, "thumbnails")
        assert len(queued(owner, pipeline.SIZES)) == AT_ONCE

    def test_sizes_do_not_wait_for_thumbnails_without_end(self, owner: User, redis_client: Redis) -> None:
        make_uploads(owner, 1)
        old = make_uploads(owner, 1, next_step=pipeline.SIZES)
        Upload.objects.filter(pk=old[0].pk).update(created_at=timezone.now() - timedelta(minutes=2))
        sweeper.sweep()
        assert published(redis_client, "renditions") == hashes_of(old)

    def test_sweeper_publishes_sizes_that_no_worker_published(self, owner: User, redis_client: Redis) -> None:
        uploads = make_uploads(owner, 5, next_step=pipeline.SIZES)
        assert [sweeper.sweep(), sweeper.sweep()] == [AT_ONCE, 0]
        assert queued(owner, pipeline.SIZES) == uploads[:AT_ONCE]

    def test_repeated_thumbnails_publish_no_sizes_again(self, owner: User, redis_client: Redis) -> None:
        (upload,) = make_uploads(owner, 1)
        pipeline.start(upload)
        assert publish(pipeline.build(upload))
        do(redis_client, "thumbnails")
        do(redis_client, "thumbnails")
        assert published(redis_client, "renditions") == hashes_of([upload])

    def test_sizes_that_another_process_published_are_not_published_again(
        self, owner: User, redis_client: Redis
    ) -> None:
        make_uploads(owner, 1, next_step=pipeline.SIZES)
        stale = Upload.objects.select_related("original").get()
        assert [pipeline.start_next(owner.pk), pipeline.restart(stale)] == [[True], True]
        assert (redis_client.llen("thumbnails"), redis_client.llen("renditions")) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_bulk_work_uses_no_place_of_the_owner(owner: User, redis_client: Redis) -> None:
    for upload in make_uploads(owner, 5, bulk=True):
        pipeline.start(upload)
    uploads = make_uploads(owner, 5)
    pipeline.start_next(owner.pk)
    assert redis_client.llen("bulk") == 5
    assert [upload for upload in queued(owner) if not upload.bulk] == uploads[2:]


@pytest.mark.django_db(transaction=True)
def test_thumbnails_of_bulk_work_publish_no_sizes(owner: User, redis_client: Redis) -> None:
    """Its chain goes on by itself."""
    (upload,) = make_uploads(owner, 1, bulk=True)
    pipeline.start(upload)
    with transaction.atomic():
        completion.on_step_finished(content_hash=upload.original.content_hash, step=pipeline.THUMBNAILS)
    assert (redis_client.llen("bulk"), redis_client.llen("renditions")) == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_ready_upload_releases_the_next(owner: User, send: Send, redis_client: Redis) -> None:
    first = send()
    uploads = make_uploads(owner, 5)
    pipeline.start_next(owner.pk)
    completion.run_here(first)
    assert queued(owner) == uploads[-AT_ONCE:]
    first.refresh_from_db()
    assert first.status == "ready"
