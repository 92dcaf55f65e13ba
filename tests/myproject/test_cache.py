"""The cache behaves as if it were empty while Redis is unavailable."""

from pathlib import Path

import pytest

from myproject.cache import ForgivingRedisCache


@pytest.fixture
def cache(tmp_path: Path) -> ForgivingRedisCache:
    """Return a cache whose Redis does not exist."""
    return ForgivingRedisCache(f"unix://{tmp_path}/nobody.sock", {"OPTIONS": {"socket_connect_timeout": 0.2}})


def test_cache_is_empty_while_redis_is_unavailable(cache: ForgivingRedisCache) -> None:
    cache.set("key", "value")
    assert cache.get("key", "default") == "default"
    assert cache.delete("key") is False


def test_locks_are_granted_while_redis_is_unavailable(cache: ForgivingRedisCache) -> None:
    assert cache.add("key:lock", True) is True


def test_circuit_breaker_skips_redis_after_a_failure(
    cache: ForgivingRedisCache, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        cache.get("key")
    assert len([record for record in caplog.records if "is unavailable" in record.message]) == 1
