"""A long queue: the sweeper publishes each upload about once, however slow the workers are."""

import base64
import json
import uuid
from datetime import datetime, timedelta
from typing import cast

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from redis import Redis

from processing.models import Original
from uploads.models import Upload
from uploads.upkeep import sweeper

pytestmark = [pytest.mark.fault, pytest.mark.redis, pytest.mark.django_db]

UPLOADS = 2_000
SWEEP = timedelta(seconds=5)
# Uploads that the workers finish between two sweeps.
PACE = 30


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Return the current time as a list of one, which the test can change."""
    moments = [timezone.now()]
    monkeypatch.setattr(timezone, "now", lambda: moments[0])
    return moments


def make_uploads(count: int) -> None:
    """Make uploads for so many owners that none is held back."""
    people = User.objects.bulk_create(User(username=f"person {number}") for number in range(400))
    keys = [uuid.uuid4().hex for _ in range(count)]
    originals = Original.objects.bulk_create(
        Original(content_hash=key * 2, public_key=key, format="jpeg", width=9, height=9, byte_size=9)
        for key in keys
    )
    Upload.objects.bulk_create(
        Upload(owner=people[number % len(people)], original=original, filename="a.jpg")
        for number, original in enumerate(originals)
    )


def finish(redis: Redis, count: int) -> int:
    """Take messages from the queue, mark their uploads as ready, and return the number of messages."""
    taken = cast("list[bytes] | None", redis.rpop("thumbnails", count)) or []
    hashes = [content_hash(message) for message in taken]
    Upload.objects.filter(original__content_hash__in=hashes).update(status=Upload.Status.READY)
    return len(taken)


def content_hash(message: bytes) -> str:
    """Return the content hash in a message, in the format in which kombu stores it in Redis."""
    _arguments, options, _chain = json.loads(base64.b64decode(json.loads(message)["body"]))
    return str(options["content_hash"])


def test_thousands_of_uploads_are_published_once(redis_client: Redis, clock: list[datetime]) -> None:
    make_uploads(UPLOADS)
    began_at, taken = clock[0], 0
    while Upload.objects.filter(status__in=Upload.UNFINISHED).exists():
        sweeper.sweep()
        taken += finish(redis_client, PACE)
        clock[0] += SWEEP
        assert clock[0] - began_at < timedelta(minutes=10)
    assert clock[0] - began_at > timedelta(minutes=5)
    left = redis_client.llen("thumbnails")
    assert UPLOADS <= taken + left <= 1.05 * UPLOADS
