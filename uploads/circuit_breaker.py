"""Patience with Redis: while it does not answer it is left alone, so that nobody waits for it twice."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class Pause:
    """Asks Redis, and after a failure not again for that many seconds; true while that lasts.

    `complaint` is logged with each failure.
    """

    def __init__(self, seconds: float, *, complaint: str) -> None:
        self._seconds = seconds
        self._complaint = complaint
        self._until = 0.0

    def ask(self, question: Callable[[], Answer], *, otherwise: Answer) -> Answer:
        """Return the answer to a question, or this one while there is none."""
        if self:
            return otherwise
        try:
            return question()
        except RedisError as error:
            logger.warning("%s: %s", self._complaint, error)
            self._until = time.monotonic() + self._seconds
            return otherwise

    def __bool__(self) -> bool:
        return time.monotonic() < self._until
