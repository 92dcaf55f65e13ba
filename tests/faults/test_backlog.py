"""Long queues: the sweeper publishes each upload's work about once, however slow the workers are."""

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
from uploads import pipeline
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


# The queues, and what a worker records when it has done the work of one.
DONE: dict[str, dict[str, object]] = {
    "thumbnails": {
        "status": Upload.Status.PROCESSING,
        "next_step": pipeline.SIZES,
        "queued_at": None,
    },
    "renditions": {"status": Upload.Status.READY},
}


def finish(redis: Redis, queue: str, count: int) -> int:
    """Take messages from the queue, record that they are done, and return their number."""
    taken = cast("list[bytes] | None", redis.rpop(queue, count)) or []
    hashes = [content_hash(message) for message in taken]
    Upload.objects.filter(original__content_hash__in=hashes).update(**DONE[queue])
    return len(taken)


def content_hash(message: bytes) -> str:
    """Return the content hash in a message, in the format in which kombu stores it in Redis."""
    _arguments, options, _chain = json.loads(base64.b64decode(json.loads(message)["body"]))
    return str(options["content_hash"])


def test_thousands_of_uploads_are_published_once(redis_client: Redis, clock: list[datetime]) -> None:
    make_uploads(UPLOADS)
    began_at, taken = clock[0], dict.fromkeys(DONE, 0)
    while Upload.objects.filter(status__in=Upload.UNFINISHED).exists():
        sweeper.sweep()
        for queue in DONE:
            taken[queue] += finish(redis_client, queue, PACE)
        clock[0] += SWEEP
        assert clock[0] - began_at < timedelta(minutes=10)
    assert clock[0] - began_at > timedelta(minutes=5)
    for queue, count in taken.items():
        assert UPLOADS <= count + redis_client.llen(queue) <= 1.05 * UPLOADS
