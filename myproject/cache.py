"""A Redis cache that acts as an empty cache while Redis is unavailable, so that people can still sign in."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from django.core.cache.backends.redis import RedisCache, RedisCacheClient

from uploads.redis.circuit_breaker import CircuitBreaker

Answer = TypeVar("Answer")

# Seconds without calls after a failure.
PAUSE = 2.0


class ForgivingClient(RedisCacheClient):
    """Act as an empty cache while Redis is unavailable.

    Cached values can be computed again. Missing counts of sign-in attempts are better than refusing every
    sign-in.
    """

    def __init__(self, servers: list[str], **options: Any) -> None:
        super().__init__(servers, **options)
        self._circuit = CircuitBreaker(PAUSE, complaint="The cache is unavailable")

    def add(self, key: Any, value: object, timeout: Any) -> bool:
        """Report the key as new while Redis is unavailable, because allauth acquires its locks with `add`."""
        return self._ask(super().add, key, value, timeout, otherwise=True)

    def get(self, key: Any, default: Any) -> Any:
        """Return the default while Redis is unavailable."""
        return self._ask(super().get, key, default, otherwise=default)

    def set(self, key: Any, value: object, timeout: Any) -> None:
        """Store nothing while Redis is unavailable."""
        self._ask(super().set, key, value, timeout, otherwise=None)

    def delete(self, key: Any) -> bool:
        """Report that nothing was deleted while Redis is unavailable."""
        return self._ask(super().delete, key, otherwise=False)

    def _ask(self, question: Callable[..., Answer], *values: object, otherwise: Answer) -> Answer:
        return self._circuit.call(partial(question, *values), otherwise=otherwise)


class ForgivingRedisCache(RedisCache):
    """A Redis cache that acts as an empty cache while Redis is unavailable."""

    def __init__(self, server: str | list[str], params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = ForgivingClient
