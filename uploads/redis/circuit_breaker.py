"""A circuit breaker for Redis: after a failure it skips calls for some seconds, so no request waits twice."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class CircuitBreaker:
    """Call Redis, and skip calls for `seconds` after a failure.

    `complaint` is logged with each failure.
    """

    def __init__(self, seconds: float, *, complaint: str) -> None:
        self._seconds = seconds
        self._complaint = complaint
        self._closes_at = 0.0

    @property
    def is_open(self) -> bool:
        """Return whether calls are skipped now."""
        return time.monotonic() < self._closes_at

    def call(self, function: Callable[[], Answer], *, otherwise: Answer) -> Answer:
        """Return the function's result, or `otherwise` on failure and while the circuit is open."""
        if self.is_open:
            return otherwise
        try:
            return function()
        except RedisError as error:
            logger.warning("%s: %s", self._complaint, error)
            self._closes_at = time.monotonic() + self._seconds
            return otherwise
