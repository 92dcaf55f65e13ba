"""Wake-ups over Redis: a stream looks for new events at once instead of at its next interval."""

from functools import cache, partial

from redis import Redis

from processing.conf import darkroom
from uploads.redis.address import parse
from uploads.redis.circuit_breaker import CircuitBreaker
from uploads.redis.connections import pool, prefixed

# Redis time-out in seconds; it is short because a request may wait for it.
_TIME = 0.5
# Seconds without calls after a failure.
_PAUSE = 5.0
# Seconds for which the written key lasts.
_LASTS = 60


class _Wakeups:
    """Publish the ids of owners, behind a circuit breaker."""

    def __init__(self, url: str) -> None:
        self._redis = Redis(connection_pool=pool(url, seconds=_TIME))
        self._channel = channel(url)
        self._circuit = CircuitBreaker(_PAUSE, complaint="Wake-ups are not sent")

    def tell(self, owner_id: int) -> None:
        self._circuit.call(partial(self._publish, owner_id), otherwise=None)

    def _publish(self, owner_id: int) -> None:
        """Write a key, too: a replica would take the message, and pass it to no client of the primary."""
        with self._redis.pipeline() as commands:
            commands.set(f"{self._channel}:written", "", ex=_LASTS)
            commands.publish(self._channel, str(owner_id))
            commands.execute()


@cache
def _wakeups() -> _Wakeups:
    return _Wakeups(darkroom().redis_url)


def channel(url: str) -> str:
    """Return the channel of this site at this address. Channels are common to all databases of a server."""
    return prefixed(f"darkroom:events:{parse(url).database}")


def tell(owner_id: int) -> None:
    """Announce that this person has new events; a lost wake-up only delays a stream."""
    _wakeups().tell(owner_id)
