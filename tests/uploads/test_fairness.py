"""Fair queues: only some uploads of each owner are queued. The others wait in the database."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from redis import Redis

from processing.images.reading.refusals import UnreadableImage
from processing.models import Original
from tests.conftest import Send
from uploads import completion, pipeline, services
from uploads.models import Upload
from uploads.upkeep import sweeper

AT_ONCE = 3


@pytest.fixture(autouse=True)
def _few_at_once(settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "UPLOADS_AT_ONCE": AT_ONCE}


def make_uploads(owner: User, count: int, **fields: Any) -> list[Upload]:
    """Make only rows, which no worker renders."""
    originals = Original.objects.bulk_create(
        Original(content_hash=key * 2, public_key=key, format="jpeg", width=9, height=9, byte_size=9)
        for key in (uuid.uuid4().hex for _ in range(count))
    )
    return Upload.objects.bulk_create(
        Upload(owner=owner, original=original, filename="a.jpg", **fields) for original in originals
    )


def queued(owner: User) -> list[Upload]:
    return list(Upload.objects.filter(owner=owner, queued_at__isnull=False).order_by("created_at"))


@pytest.mark.django_db(transaction=True)
class TestFairness:
    def test_thousand_uploads_do_not_delay_other_owners(
        self, owner: User, stranger: User, send: Send, redis_client: Redis
    ) -> None:
        make_uploads(owner, 1000)
        pipeline.start_next(owner.pk)
        theirs = send(by=stranger)
        assert queued(stranger) == [theirs]
        assert redis_client.llen("thumbnails") == AT_ONCE + 1

    def test_oldest_uploads_are_queued_first(self, owner: User, redis_client: Redis) -> None:
        uploads = make_uploads(owner, 5)
        assert pipeline.start(uploads[-1]) is True
        assert queued(owner) == uploads[:AT_ONCE]

    def test_held_back_uploads_fill_the_free_places(self, owner: User, redis_client: Redis) -> None:
        uploads = make_uploads(owner, 8)
        pipeline.start_next(owner.pk)
        Upload.objects.filter(pk__in=[upload.pk for upload in uploads[:2]]).update(status="ready")
        assert pipeline.start_next(owner.pk) == [True, True]
        assert pipeline.start_next(owner.pk) == []
        assert queued(owner) == uploads[:5]

    def test_ready_upload_releases_the_next(self, owner: User, send: Send, redis_client: Redis) -> None:
        first = send()
        uploads = make_uploads(owner, 5)
        pipeline.start_next(owner.pk)
        completion.run_here(first)
        assert queued(owner) == [first, *uploads[:AT_ONCE]]

    def test_failed_upload_releases_the_next(self, owner: User, redis_client: Redis) -> None:
        uploads = make_uploads(owner, 5)
        pipeline.start_next(owner.pk)
        completion.fail(uploads[0], UnreadableImage("It is damaged."))
        assert queued(owner) == uploads[: AT_ONCE + 1]

    def test_deleted_upload_releases_the_next(self, owner: User, redis_client: Redis) -> None:
        uploads = make_uploads(owner, 5)
        pipeline.start_next(owner.pk)
        services.delete_upload(upload=uploads[0])
        assert queued(owner) == uploads[: AT_ONCE + 1]

    def test_sweeper_releases_held_back_uploads(
        self, owner: User, stranger: User, redis_client: Redis
    ) -> None:
        for person in (owner, stranger):
            make_uploads(person, 5)
        assert [sweeper.sweep(), sweeper.sweep()] == [2 * AT_ONCE, 0]
        Upload.objects.filter(pk=queued(stranger)[0].pk).update(status="ready")
        assert [sweeper.sweep(), sweeper.sweep()] == [1, 0]

    def test_bulk_work_uses_no_place_of_the_owner(self, owner: User, redis_client: Redis) -> None:
        for upload in make_uploads(owner, 5, bulk=True):
            pipeline.start(upload)
        uploads = make_uploads(owner, 5)
        pipeline.start_next(owner.pk)
        assert redis_client.llen("bulk") == 5
        assert queued(owner)[5:] == uploads[:AT_ONCE]

    def test_unavailable_broker_is_tried_once(
        self, owner: User, monkeypatch: pytest.MonkeyPatch, redis_client: Redis
    ) -> None:
        make_uploads(owner, 5)
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "publish", lambda _message: False)
            assert pipeline.start_next(owner.pk) == [False]
        assert queued(owner) == []
        assert pipeline.start_next(owner.pk) == [True] * AT_ONCE
