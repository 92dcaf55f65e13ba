"""What the tests of uploads share."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from redis import Redis

from uploads import pipeline
from uploads.models import Upload


@pytest.fixture
def redis_client() -> Iterator[Redis]:
    """Return the tests' Redis, empty before and after."""
    with Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Upload]:
    """Collect the uploads whose chains are started."""
    uploads: list[Upload] = []

    def start(upload: Upload) -> bool:
        uploads.append(upload)
        return True

    monkeypatch.setattr(pipeline, "start", start)
    return uploads
