"""Rate limits: images and changes per person and period, counted in Redis for all web processes together."""

from __future__ import annotations

import ipaddress
import time
from enum import StrEnum
from functools import cache, partial
from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING

from limits import RateLimitItem, parse_many
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from processing.conf import darkroom
from processing.errors import Refusal
from uploads.owners import Limits, owners
from uploads.redis.circuit_breaker import CircuitBreaker
from uploads.redis.connections import pool, prefixed

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Redis time-out in seconds; it is short because a sender waits for the result.
_TIME = 0.5
# Seconds without calls after a failure.
_PAUSE = 5.0
# The length of the IPv6 prefix that a provider assigns to a household, which may use any address in it.
_HOUSEHOLD = 64
# Seconds of the shortest period that limits images. A shorter one limits requests, because a request can act
# on hundreds of selected images.
_LONG = 3600


class RateLimited(Refusal):
    """The sender exceeded a rate limit."""

    code = "rate_limited"
    title = "Too many requests"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, template: str, *, retry_after: int) -> None:
        super().__init__(template, seconds=retry_after)
        self.retry_after = retry_after


class Action(StrEnum):
    """The kinds of actions that are limited, because they make events, deliveries or work."""

    REPROCESS = "reprocess"
    FOCUS = "focus"
    CHANGE = "change"
    WEBHOOK = "webhook"


class _Counts:
    """The counters in Redis. While Redis is unavailable, nothing is counted (docs/adr/0006)."""

    def __init__(self, url: str) -> None:
        # The pool knows the address; the storage only wants to know that it is Redis.
        connections = pool(url, seconds=_TIME)
        storage = RedisStorage("redis://", connection_pool=connections, key_prefix=prefixed("darkroom:rates"))
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._circuit = CircuitBreaker(_PAUSE, complaint="Rate limits are not checked")

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


def take(*, person: User | None, address: str, count: int = 1) -> None:
    """Count images that a person is about to send from this address; None is a visitor without an owner.

    Raises `RateLimited`.
    """
    limits = [(darkroom().uploads_per_address, f"address:{household(address)}")]
    if person is not None:
        limits.insert(0, (owners().limits(person).uploads_per_person, f"person:{person.pk}"))
    for text, who in limits:
        for rate in rates(text):
            seconds = _counts().wait(rate, who, count)
            if seconds:
                raise RateLimited(
                    "Too many images in a short time. Try again in {seconds} seconds.", retry_after=seconds
                )


def take_action(*, person: User, action: Action, images: int = 1) -> None:
    """Count an action of a person on one or several images (or on a webhook).

    A rate per second or minute counts it once, and a rate per hour or day once for each image. Raises
    `RateLimited`.
    """
    for rate in rates(_rates_of(action, owners().limits(person))):
        count = images if rate.get_expiry() >= _LONG else 1
        seconds = _counts().wait(rate, f"{action}:{person.pk}", count)
        if seconds:
            raise RateLimited(
                "Too many changes in a short time. Try again in {seconds} seconds.", retry_after=seconds
            )


def _rates_of(action: Action, limits: Limits) -> str:
    return {
        Action.REPROCESS: limits.reprocessings_per_person,
        Action.FOCUS: limits.focuses_per_person,
        Action.CHANGE: limits.changes_per_person,
        Action.WEBHOOK: limits.webhook_tests_per_person,
    }[action]


@cache
def rates(text: str) -> tuple[RateLimitItem, ...]:
    """Return the rates in a text such as `100/minute;5000/hour`; an empty text or `0` has none.

    Raises `ValueError` if the text is not a rate.
    """
    return tuple(parse_many(text)) if text not in ("", "0") else ()


def household(address: str) -> str:
    """Return the part that all addresses of one client share."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4:
        return address
    # A socket for both versions shows an IPv4 address in this form.
    if known.ipv4_mapped:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((known, _HOUSEHOLD), strict=False))
