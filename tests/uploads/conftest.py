"""What the tests of uploads share."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from redis import Redis


@pytest.fixture
def redis_client() -> Iterator[Redis]:
    """Return the tests' Redis, empty before and after."""
    with Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
        yield client
        client.flushdb()
