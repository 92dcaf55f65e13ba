"""The cache while Redis is away: an empty one, so that nobody is shut out."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from django.core.cache.backends.redis import RedisCache, RedisCacheClient

from uploads.circuit_breaker import CircuitBreaker

Answer = TypeVar("Answer")

# Seconds without asking again after a failure.
PAUSE = 2.0


class ForgivingClient(RedisCacheClient):
    """Forget instead of failing while Redis is away.

    What the cache holds can be made again or, as the counts of sign-in attempts, be done
    without for a moment: a person who cannot sign in at all is worse off.
    """

    def __init__(self, servers: list[str], **options: Any) -> None:
        super().__init__(servers, **options)
        self._circuit = CircuitBreaker(PAUSE, complaint="The cache is away")

    def add(self, key: Any, value: object, timeout: Any) -> bool:
        """Report the key as new while Redis is away: allauth takes its locks this way."""
        return self._ask(super().add, key, value, timeout, otherwise=True)

    def get(self, key: Any, default: Any) -> Any:
        """Return the default while Redis is away."""
        return self._ask(super().get, key, default, otherwise=default)

    def set(self, key: Any, value: object, timeout: Any) -> None:
        """Keep nothing while Redis is away."""
        self._ask(super().set, key, value, timeout, otherwise=None)

    def delete(self, key: Any) -> bool:
        """Report nothing deleted while Redis is away."""
        return self._ask(super().delete, key, otherwise=False)

    def _ask(self, question: Callable[..., Answer], *values: object, otherwise: Answer) -> Answer:
        return self._circuit.call(partial(question, *values), otherwise=otherwise)


class ForgivingRedisCache(RedisCache):
    """Redis as the cache, or an empty cache while Redis is away."""

    def __init__(self, server: str | list[str], params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = ForgivingClient
