"""Rate limits: images per sender and period, counted in Redis for all web processes together."""

import ipaddress
import time
from functools import cache, partial
from http import HTTPStatus
from math import ceil
from typing import Any

from limits import RateLimitItem, parse_many
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from processing.conf import darkroom
from processing.errors import Refusal
from uploads.circuit_breaker import CircuitBreaker

# Redis time-out in seconds; it is short because a sender waits for the result.
_TIME = 0.5
# The length of the IPv6 prefix that a provider assigns to a household, which may use any address in it.
_HOUSEHOLD = 64


class RateLimited(Refusal):
    """The sender exceeded a rate limit."""

    code = "rate_limited"
    title = "Too many requests"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, template: str, *, retry_after: int) -> None:
        super().__init__(template, seconds=retry_after)
        self.retry_after = retry_after


class _Counts:
    """The counters in Redis. While Redis is unavailable nothing is counted (ADR 6)."""

    def __init__(self, url: str) -> None:
        once = Retry(NoBackoff(), 0)
        uri = url.replace("unix://", "redis+unix://", 1)
        options: dict[str, Any] = {"socket_timeout": _TIME, "socket_connect_timeout": _TIME, "retry": once}
        storage = RedisStorage(uri, key_prefix="darkroom:rates", **options)
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._circuit = CircuitBreaker(5.0, complaint="Rate limits are not checked")

    def wait(self, rate: RateLimitItem, who: str, count: int) -> int:
        """Count and return 0, or count nothing and return the seconds to wait."""
        return self._circuit.call(partial(self._wait, rate, who, count), otherwise=0)

    def _wait(self, rate: RateLimitItem, who: str, count: int) -> int:
        if self._limiter.hit(rate, who, cost=count):
            return 0
        return max(1, ceil(self._limiter.get_window_stats(rate, who).reset_time - time.time()))


@cache
def _counts() -> _Counts:
    return _Counts(darkroom().redis_url)


def take(*, person_id: int, address: str, count: int = 1) -> None:
    """Count images that a person is about to send from this address.

    Raises `RateLimited`.
    """
    for text, who in (
        (darkroom().uploads_per_person, f"person:{person_id}"),
        (darkroom().uploads_per_address, f"address:{household(address)}"),
    ):
        for rate in rates(text):
            seconds = _counts().wait(rate, who, count)
            if seconds:
                raise RateLimited(
                    "Too many images in a short time. Try again in {seconds} seconds.", retry_after=seconds
                )


@cache
def rates(text: str) -> tuple[RateLimitItem, ...]:
    """Return the rates in a text such as `100/minute;5000/hour`; an empty text has none.

    Raises `ValueError` if the text is not a rate.
    """
    return tuple(parse_many(text)) if text else ()


def household(address: str) -> str:
    """Return the part that all addresses of one client share."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4:
        return address
    return str(ipaddress.ip_network((known, _HOUSEHOLD), strict=False))
