"""The live stream of a person's events: server-sent events, each after the one before it.

The database is asked what comes after the last event that was sent, so nothing is missed and
nothing comes twice. Wake-ups over Redis, heard by one listener a process, only say when to look.
"""

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.db import Error as DatabaseError
from django.db import connection, connections
from redis import Redis
from redis.exceptions import RedisError

from processing.conf import darkroom
from uploads.events import history, wakeups
from uploads.models import Event

logger = logging.getLogger(__name__)

# Seconds between signs of life; also the longest that an event waits whose wake-up was lost.
KEEP_ALIVE = 15.0
# Seconds after which a stream ends, and whoever connects again has to be signed in still.
LIFETIME = 3600.0
# Seconds between two looks while there are no wake-ups, and after which a silent Redis is asked for a sign.
_LOOK = 2.0
# Milliseconds after which a browser connects again.
_RECONNECT = 2000
_BATCH = 200
# All streams ask in one thread, and so over one connection: hundreds cost the database no more than one.
_asking = ThreadPoolExecutor(max_workers=1, thread_name_prefix="streams")


class Bells:
    """One listener a process: it rings the bells of the streams whose owners have new events.

    It is a thread: a stream that ends must not wait for Redis, nor Redis break off with a stream.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bells: dict[asyncio.Event, tuple[int, asyncio.AbstractEventLoop]] = {}
        self._listening = False

    @contextmanager
    def hung_up(self, owner_id: int) -> Iterator[asyncio.Event]:
        """Return a bell that rings for this person; the listener runs while there is any."""
        bell = asyncio.Event()
        with self._lock:
            self._bells[bell] = (owner_id, asyncio.get_running_loop())
            if not self._listening:
                self._listening = True
                threading.Thread(target=self._listen, name="bells", daemon=True).start()
        try:
            yield bell
        finally:
            with self._lock:
                del self._bells[bell]
                if not self._bells:
                    _asking.submit(connections.close_all)

    def _listen(self) -> None:
        while self._is_needed():
            try:
                self._hear()
            except (RedisError, OSError) as error:
                logger.warning("There are no wake-ups for now: %s", error)
                time.sleep(_LOOK)
            self._ring()

    def _is_needed(self) -> bool:
        with self._lock:
            self._listening = bool(self._bells)
            return self._listening

    def _hear(self) -> None:
        """Ring the bells that the wake-ups name, until Redis is away or silent, or nobody listens."""
        client = Redis.from_url(darkroom().redis_url, socket_connect_timeout=_LOOK, socket_timeout=_LOOK)
        with client, client.pubsub() as channel:  # type: ignore[no-untyped-call]  # redis types most, not this
            channel.subscribe(wakeups.CHANNEL)
            silent = False
            while self._bells:
                message = channel.get_message(timeout=_LOOK)
                if message is None and silent:
                    raise TimeoutError("Redis does not answer.")
                silent = message is None
                if message is None:
                    channel.ping()
                elif message["type"] == "message":
                    self._ring(int(message["data"]))
                elif message["type"] == "subscribe":
                    self._ring()  # for what came before

    def _ring(self, owner_id: int | None = None) -> None:
        with self._lock:
            for bell, (owner, loop) in self._bells.items():
                if owner_id in {None, owner}:
                    loop.call_soon_threadsafe(bell.set)


_bells = Bells()


async def follow(*, owner_id: int, after: int) -> AsyncGenerator[str]:
    """Yield a person's events after one of them, as text of a stream.

    The first block gives the browser the id to resume from, even before there is an event.
    """
    yield f"retry: {_RECONNECT}\nid: {after}\n\n"
    ends_at = time.monotonic() + LIFETIME
    with _bells.hung_up(owner_id) as bell:
        while time.monotonic() < ends_at:
            bell.clear()
            if batch := await _later(owner_id, after):
                for event in batch:
                    yield block(event)
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


async def _later(owner_id: int, after: int) -> list[Event]:
    """Return the next events; none while the database is away."""
    loop = asyncio.get_running_loop()
    try:
        return await loop.run_in_executor(_asking, _query, owner_id, after)
    except DatabaseError as error:
        logger.warning("A stream waits for the database: %s", error)
        return []


def _query(owner_id: int, after: int) -> list[Event]:
    """Ask for the next events, over a new connection where the one at hand has died."""
    try:
        return list(history.after(owner_id=owner_id, event_id=after)[:_BATCH])
    except DatabaseError:
        connection.close()
        return list(history.after(owner_id=owner_id, event_id=after)[:_BATCH])
