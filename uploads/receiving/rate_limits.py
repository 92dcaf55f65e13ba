"""Rates: how many images somebody may send in a time, counted in Redis for all web processes together."""

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

# Seconds for which Redis may take: whoever sends an image waits for this.
_TIME = 0.5
# A provider gives a household that many bits of an IPv6 address; it may use any of the others.
_HOUSEHOLD = 64


class RateLimited(Refusal):
    """More was sent in a short time than may be."""

    code = "rate_limited"
    title = "Too many requests"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, template: str, *, retry_after: int) -> None:
        super().__init__(template, seconds=retry_after)
        self.retry_after = retry_after


class _Counts:
    """The counts in Redis; while it is away nothing is counted, as everywhere (ADR 6)."""

    def __init__(self, url: str) -> None:
        once = Retry(NoBackoff(), 0)
        uri = url.replace("unix://", "redis+unix://", 1)
        options: dict[str, Any] = {"socket_timeout": _TIME, "socket_connect_timeout": _TIME, "retry": once}
        storage = RedisStorage(uri, key_prefix="darkroom:rates", **options)
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._circuit = CircuitBreaker(5.0, complaint="Uploads are not counted")

    def wait(self, rate: RateLimitItem, who: str, count: int) -> int:
        """Count, and return 0, or return how many seconds to wait and count nothing."""
        return self._circuit.call(partial(self._wait, rate, who, count), otherwise=0)

    def _wait(self, rate: RateLimitItem, who: str, count: int) -> int:
        if self._limiter.hit(rate, who, cost=count):
            return 0
        return max(1, ceil(self._limiter.get_window_stats(rate, who).reset_time - time.time()))


@cache
def _counts() -> _Counts:
    return _Counts(darkroom().redis_url)


def take(*, person_id: int, address: str, count: int = 1) -> None:
    """Count so many images that a person is about to send from this address.

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
                    "Too many images in a short time; go on in {seconds} seconds.", retry_after=seconds
                )


@cache
def rates(text: str) -> tuple[RateLimitItem, ...]:
    """Return the rates in a text such as `100/minute;5000/hour`, none for an empty one.

    Raises `ValueError` for one that makes no sense.
    """
    return tuple(parse_many(text)) if text else ()


def household(address: str) -> str:
    """Return what the addresses of one client have in common."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4:
        return address
    return str(ipaddress.ip_network((known, _HOUSEHOLD), strict=False))
