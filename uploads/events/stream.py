"""The live stream of a person's events, as server-sent events.

Each stream queries the events after the last one it sent, so it neither misses nor repeats any. Wake-ups over
Redis, received by one listener in each process, only trigger a query.
"""

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.db import connection, connections
from redis import Redis
from redis.exceptions import RedisError

from processing.conf import darkroom
from processing.database.availability import DATABASE_UNAVAILABLE
from processing.metrics.counters import COUNTERS
from processing.metrics.families import EVENT_STREAMS
from uploads.events import history, wakeups
from uploads.models import Event
from uploads.owners import owner_model, owners
from uploads.redis.connections import pool

logger = logging.getLogger(__name__)

# Seconds between keep-alive comments, and the longest delay of an event whose wake-up was lost.
KEEP_ALIVE = 15.0
# Seconds after which a stream ends. The client reconnects, and must still be signed in.
LIFETIME = 3600.0
# Seconds between two queries while Redis is unavailable. A silent Redis is pinged after this long.
_LOOK = 2.0
# Seconds after which the listener connects again. After a failover, its connection may lead to an old server
# that answers, but gets no wake-ups.
_RENEWED = 60.0
# Milliseconds after which a browser reconnects.
_RECONNECT = 2000
_BATCH = 200
# All streams query in one thread, so hundreds of streams use a single database connection.
_asking = ThreadPoolExecutor(max_workers=1, thread_name_prefix="streams")


class Bells:
    """One listener in each process, which wakes the streams whose owners have new events.

    It is a thread, so that the end of a stream neither waits for Redis nor cuts its connection.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bells: dict[asyncio.Event, tuple[str, asyncio.AbstractEventLoop]] = {}
        self._listening = False
        # Every stream of this process has to end.
        self.ending = False

    @contextmanager
    def hung_up(self, owner_id: int) -> Iterator[asyncio.Event]:
        """Yield a bell: an `asyncio.Event` that is set when this person may have new events.

        The listener runs as long as there is any bell.
        """
        bell = asyncio.Event()
        COUNTERS.change(EVENT_STREAMS, 1)
        with self._lock:
            self._bells[bell] = (str(owner_id), asyncio.get_running_loop())
            if not self._listening:
                self._listening = True
                threading.Thread(target=self._listen, name="bells", daemon=True).start()
        try:
            yield bell
        finally:
            COUNTERS.change(EVENT_STREAMS, -1)
            with self._lock:
                del self._bells[bell]
                if not self._bells:
                    _asking.submit(connections.close_all)

    def end(self) -> None:
        """End every stream, also those that begin later."""
        self.ending = True
        self._ring()

    def _listen(self) -> None:
        while self._is_needed():
            try:
                self._hear()
            except (RedisError, OSError) as error:
                logger.warning("Wake-ups are unavailable: %s", error)
                time.sleep(_LOOK)
            self._ring()

    def _is_needed(self) -> bool:
        with self._lock:
            self._listening = bool(self._bells)
            return self._listening

    def _hear(self) -> None:
        """Ring the bells named by wake-ups until Redis fails, the time is over, or no stream is left."""
        url = darkroom().redis_url
        ends_at = time.monotonic() + _RENEWED
        with (
            pool(url, seconds=_LOOK) as connections,
            # redis types most, but not this.
            Redis(connection_pool=connections).pubsub() as channel,  # type: ignore[no-untyped-call]
        ):
            channel.subscribe(wakeups.channel(url))
            silent = False
            while self._bells and time.monotonic() < ends_at:
                message = channel.get_message(timeout=_LOOK)
                if message is None and silent:
                    raise TimeoutError("Redis does not answer.")
                silent = message is None
                if message is None:
                    channel.ping()
                elif message["type"] == "message":
                    self._ring(message["data"].decode())
                elif message["type"] == "subscribe":
                    self._ring()  # for events before the subscription

    def _ring(self, owner_id: str | None = None) -> None:
        with self._lock:
            for bell, (owner, loop) in self._bells.items():
                if owner_id in {None, owner}:
                    loop.call_soon_threadsafe(bell.set)


_bells = Bells()


def end_all() -> None:
    """End all streams of this process, because it stops. Clients reconnect to another, and miss nothing."""
    _bells.end()


async def follow(
    *, owner_id: int, after: int, is_allowed: Callable[[], bool] | None = None
) -> AsyncGenerator[str]:
    """Yield a person's events after the one with the id `after`, as text of the stream.

    The first block gives the browser the id to resume from, even before any event. The stream ends when the
    owner is suspended, `is_allowed` returns False, or the process stops. The querying thread calls
    `is_allowed` before each query.
    """
    yield f"retry: {_RECONNECT}\nid: {after}\n\n"
    ends_at = time.monotonic() + LIFETIME
    with _bells.hung_up(owner_id) as bell:
        while not _bells.ending and time.monotonic() < ends_at:
            bell.clear()
            batch = await _later(owner_id, after, is_allowed)
            if batch is None:
                return
            if batch:
                for event in batch:
                    yield block(event)
                    if event.name == Event.Name.PASSWORD_CHANGED:
                        return  # the client reconnects, and must still be signed in
                after = batch[-1].pk
                continue  # there may be more
            try:
                async with asyncio.timeout(KEEP_ALIVE):
                    await bell.wait()
            except TimeoutError:
                yield ": still here\n\n"


def block(event: Event) -> str:
    """Return an event as a block of the stream."""
    return f"id: {event.pk}\nevent: {event.name}\ndata: {json.dumps(event.payload())}\n\n"


async def _later(owner_id: int, after: int, is_allowed: Callable[[], bool] | None) -> list[Event] | None:
    """Return the next events ([] while the database is unavailable), or None if the stream has to end."""
    loop = asyncio.get_running_loop()
    try:
        return await loop.run_in_executor(_asking, _query, owner_id, after, is_allowed)
    except DATABASE_UNAVAILABLE as error:
        logger.warning("An event stream is waiting for the database: %s", error)
        return []


def _query(owner_id: int, after: int, is_allowed: Callable[[], bool] | None) -> list[Event] | None:
    """Query the next events; if the connection is broken, retry with a new one."""
    try:
        return _allowed(owner_id, after, is_allowed)
    except DATABASE_UNAVAILABLE:
        connection.close()
        return _allowed(owner_id, after, is_allowed)


def _allowed(owner_id: int, after: int, is_allowed: Callable[[], bool] | None) -> list[Event] | None:
    active = owner_model().objects.filter(owners().active(), pk=owner_id).exists()
    if not active or (is_allowed is not None and not is_allowed()):
        return None
    return list(history.after(owner_id=owner_id, event_id=after)[:_BATCH])
