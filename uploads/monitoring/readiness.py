"""Readiness: whether this process can serve, and what else an upload needs.

A web process needs its database and its storage. Without the broker, a worker or beat it still accepts and
shows images, and processing continues later: a load balancer must not take every web server out for that.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection, connections
from redis import Redis
from redis.exceptions import RedisError

from processing import clock
from processing.conf import darkroom
from processing.database.availability import refuses_writes
from processing.renderer import confinement
from processing.storages import disk_space
from processing.storages.media import FileMissing, StorageUnavailable, call_storage, media
from uploads import broker
from uploads.broker import BrokerAway
from uploads.models import Heartbeat, Process
from uploads.monitoring import processes
from uploads.redis.connections import pool, prefixed

# Beat starts the sweeper every five seconds, so silence for this long is not just a delay.
_BEAT_SILENCE = timedelta(seconds=30)
# The parts without which this process cannot serve.
_NEEDED = ("database", "storage")
# A database that refuses writes still serves pictures and pages, so the process stays in service.
_REFUSES = "the database refuses writes, so nothing can be uploaded, processed or changed"
# Seconds for which a result is given to all who ask.
_FRESH = 2.0
# Seconds to wait for all checks together. Asking the workers takes 1 s. A slower part counts as unavailable.
_PATIENCE = 3.0
# Seconds to wait for Redis, and for which the key of its check lasts.
_REDIS_TIME, _REDIS_LASTS = 1.0, 60
# A check that hangs blocks a thread, so each check has a small pool. An exhausted pool fails only its own
# check.
_ASKING = {
    name: ThreadPoolExecutor(max_workers=4)
    for name in ("database", "broker", "storage", "workers", "disk", "redis")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """The state of each part.

    `problems` has a sentence for each part, or "" if it is well. The depth of each queue, the queues
    of each worker, and the time of beat's last heartbeat are None if unknown. `running` are the processes
    that have sent a heartbeat lately.
    """

    problems: dict[str, str]
    depths: dict[str, int] | None
    workers: dict[str, set[str]] | None
    beat_at: datetime | None
    running: list[Process] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        """Return whether this process can serve."""
        return not any(self.problems[name] for name in _NEEDED)


class Lookout:
    """Check every part once for all threads that ask within `_FRESH` seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: Future[Readiness] | None = None
        self._fresh_until = 0.0

    def latest(self) -> Readiness:
        """Return the last result while it is fresh, or else that of a check that one of the callers runs.

        A check is limited in time, and so is the wait for it.
        """
        with self._lock:
            outdated = self._seen is None or (self._seen.done() and time.monotonic() >= self._fresh_until)
            if self._seen is None or outdated:
                self._seen = Future()
            seen = self._seen
        if outdated:
            self._look(seen)
        return seen.result()

    def _look(self, seen: Future[Readiness]) -> None:
        try:
            found = look()
        except BaseException as error:
            seen.set_exception(error)
            raise
        self._fresh_until = time.monotonic() + _FRESH
        seen.set_result(found)


_lookout = Lookout()


def latest() -> Readiness:
    """Return the state of each part, at most `_FRESH` seconds old."""
    return _lookout.latest()


def look() -> Readiness:
    """Check every part now. Threads do it, for `_PATIENCE` seconds at most."""
    database_asked = _ASKING["database"].submit(_ask_database)
    depths_asked = _ASKING["broker"].submit(broker.queue_depths)
    storage_asked = _ASKING["storage"].submit(_ask_storage)
    workers_asked = _ASKING["workers"].submit(broker.workers)
    # The disk of a network file system may hang.
    disk_asked = _ASKING["disk"].submit(disk_space.problem)
    redis_asked = _ASKING["redis"].submit(_ask_redis)
    asked: list[Future[Any]] = [
        database_asked,
        depths_asked,
        storage_asked,
        workers_asked,
        disk_asked,
        redis_asked,
    ]
    wait(asked, timeout=_PATIENCE)
    database_problem, broker_problem, storage_problem, workers_problem, disk_unknown, redis_problem = map(
        _problem, asked
    )
    beat_at, silent, refuses, running = (
        (None, database_problem, False, []) if database_problem else database_asked.result()
    )
    depths = None if broker_problem else depths_asked.result()
    workers = None if workers_problem else workers_asked.result()
    problems = {
        "database": database_problem,
        "writes": database_problem or (_REFUSES if refuses else ""),
        "broker": broker_problem,
        "storage": storage_problem,
        "workers": workers_problem or unserved(workers or {}),
        "beat": silent,
        "disk": disk_unknown or disk_asked.result(),
        "redis": redis_problem,
        "presets": database_problem or processes.outdated(running),
    }
    return Readiness(problems=problems, depths=depths, workers=workers, beat_at=beat_at, running=running)


def renderer_weakness() -> str:
    """Return what the renderer's sandbox lacks on this machine, or ""."""
    return confinement.weakness(darkroom().renderer_sandbox)


def queues() -> list[str]:
    """Return the names of all queues."""
    return broker.queue_names()


def broker_answers() -> bool:
    """Return whether the broker is available."""
    try:
        broker.queue_depths()
    except BrokerAway:
        return False
    return True


def _problem(asked: Future[Any]) -> str:
    """Return why a check failed, or "" if it succeeded."""
    if not asked.done():
        asked.cancel()
        return f"no answer within {_PATIENCE:g} seconds"
    error = asked.exception()
    if error is None:
        return ""
    if isinstance(error, BrokerAway | DatabaseError | RedisError | StorageUnavailable | FileMissing):
        # An empty error message would look like success.
        return str(error) or type(error).__name__
    raise error


def _ask_database() -> tuple[datetime | None, str, bool, list[Process]]:
    """Return beat's last heartbeat, what is wrong with it, whether writes are refused, and the processes.

    Leaves no connection to the thread.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        beat_at = Heartbeat.last("sweep")
        return beat_at, silence(beat_at), refuses_writes(), processes.running()
    finally:
        connections.close_all()


def silence(beat_at: datetime | None) -> str:
    """Return that beat is silent, or "" if its last heartbeat is recent and not from the future."""
    now = clock.now()
    alive = beat_at is not None and now - _BEAT_SILENCE <= beat_at <= now + Heartbeat.AHEAD
    return "" if alive else "beat has sent no heartbeat for 30 seconds"


def _ask_storage() -> None:
    call_storage(media.check)


def _ask_redis() -> None:
    """Write a key to the Redis of cache, limits and wake-ups: a replica answers too, but refuses that."""
    with pool(darkroom().redis_url, seconds=_REDIS_TIME) as connections:
        Redis(connection_pool=connections).set(prefixed("darkroom:ready"), "", ex=_REDIS_LASTS)


def unserved(workers: dict[str, set[str]]) -> str:
    """Return the queues without a worker, or "" if there are none."""
    served = set().union(*workers.values())
    missing = sorted(set(queues()) - served)
    return f"no worker for: {', '.join(missing)}" if missing else ""
