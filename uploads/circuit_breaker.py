"""A circuit breaker for Redis: after a failure it skips calls for some seconds, so no request waits twice."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class CircuitBreaker:
    """Calls Redis, and after a failure not again for that many seconds.

    `complaint` is logged with each failure.
    """

    def __init__(self, seconds: float, *, complaint: str) -> None:
        self._seconds = seconds
        self._complaint = complaint
        self._closes_at = 0.0

    @property
    def is_open(self) -> bool:
        """Tell whether Redis is left alone now."""
        return time.monotonic() < self._closes_at

    def call(self, function: Callable[[], Answer], *, otherwise: Answer) -> Answer:
        """Return what a function returns; return `otherwise` while the circuit is open, and on a failure."""
        if self.is_open:
            return otherwise
        try:
            return function()
        except RedisError as error:
            logger.warning("%s: %s", self._complaint, error)
            self._closes_at = time.monotonic() + self._seconds
            return otherwise
