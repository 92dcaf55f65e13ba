"""Wake-ups over Redis: a stream looks for new events at once instead of at its next interval."""

from functools import cache, partial

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from processing.conf import darkroom
from uploads.circuit_breaker import CircuitBreaker

CHANNEL = "darkroom:events"
# Redis time-out in seconds; it is short because a request may wait for it.
_TIME = 0.5
# Seconds without calls after a failure.
_PAUSE = 5.0


class _Wakeups:
    """Publish the ids of owners, behind a circuit breaker."""

    def __init__(self, url: str) -> None:
        once = Retry(NoBackoff(), 0)
        self._redis = Redis.from_url(url, socket_timeout=_TIME, socket_connect_timeout=_TIME, retry=once)
        self._circuit = CircuitBreaker(_PAUSE, complaint="Wake-ups are not sent")

    def tell(self, owner_id: int) -> None:
        self._circuit.call(partial(self._redis.publish, CHANNEL, owner_id), otherwise=0)


@cache
def _wakeups() -> _Wakeups:
    return _Wakeups(darkroom().redis_url)


def tell(owner_id: int) -> None:
    """Announce that this person has new events; a lost wake-up only delays a stream."""
    _wakeups().tell(owner_id)
