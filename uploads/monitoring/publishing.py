"""Publish what the processes count: each adds its counters to those of the whole site in Redis.

So one `/metrics` has the figures of every web process and worker on every host, and what a process has
counted outlives it. While Redis is unavailable, a process keeps its counters and adds them later.
"""

import atexit
import json
import logging
import os
import secrets
import socket
import threading
from typing import Any

from celery.signals import worker_init, worker_process_init, worker_process_shutdown
from django.core.signals import request_started
from django.db import connections
from django.dispatch import receiver
from redis import Redis
from redis.exceptions import RedisError

from processing import spans
from processing.conf import darkroom
from processing.metrics import families
from processing.metrics.counters import COUNTERS, Series
from uploads.monitoring import recording
from uploads.redis.connections import pool, prefixed

logger = logging.getLogger(__name__)

# Seconds between two publications, and to wait for Redis.
INTERVAL = 5.0
_PATIENCE = 1.0
# Seconds after the last publication for which the gauges of a process count.
_LIVE = 4 * INTERVAL
# The hash of the counters of the site, and that of the gauges of each process.
_COUNTERS, _PROCESSES = "darkroom:metrics:counters", "darkroom:metrics:processes"


class Publisher:
    """A thread that publishes the counters of a process until the process ends."""

    def __init__(self) -> None:
        self.process = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._is_away = False

    def start(self) -> None:
        """Begin to count and to publish."""
        COUNTERS.is_on = True
        spans.subscribe(recording.note_span)
        threading.Thread(target=self._run, name="metrics", daemon=True).start()

    def stop(self) -> None:
        """Publish for the last time."""
        self._end.set()
        self.publish(is_last=True)

    def publish(self, *, is_last: bool = False) -> None:
        """Add the counters of this process to those of the site. Redis does all of it or nothing."""
        with self._lock:
            note_pool()
            taken = COUNTERS.take()
            try:
                self._send(taken, is_last=is_last)
            except RedisError as error:
                # If only the answer was lost, Redis has counted them: then they count twice.
                COUNTERS.put_back(taken)
                if not self._is_away:
                    logger.warning("Redis is unavailable; metrics will be published later: %s", error)
                self._is_away = True
            else:
                self._is_away = False

    def _run(self) -> None:
        while not self._end.wait(INTERVAL):
            try:
                self.publish()
            except Exception:
                # No other thread would notice the end of this one.
                logger.exception("The metrics could not be published.")

    def _send(self, taken: dict[Series, float], *, is_last: bool) -> None:
        with pool(darkroom().redis_url, seconds=_PATIENCE) as opened:
            client = Redis(connection_pool=opened)
            now = client.time()[0]
            with client.pipeline(transaction=True) as pipeline:
                for series, amount in taken.items():
                    pipeline.hincrbyfloat(prefixed(_COUNTERS), json.dumps(series), amount)
                if is_last:
                    pipeline.hdel(prefixed(_PROCESSES), self.process)
                else:
                    state = json.dumps({"at": now, "gauges": COUNTERS.gauges()})
                    pipeline.hset(prefixed(_PROCESSES), self.process, state)
                pipeline.execute()


# The publisher of each process, by its id: a forked process inherits that of its parent, without the thread.
_publishers: dict[int, Publisher] = {}


@receiver(request_started)
@worker_init.connect
@worker_process_init.connect
def start(**_options: Any) -> None:
    """Start the publisher of this process: at its first request, or when it begins as a worker."""
    process = os.getpid()
    if process in _publishers or not darkroom().metrics:
        return
    # Of several threads, only one starts the publisher.
    publisher = Publisher()
    if _publishers.setdefault(process, publisher) is publisher:
        publisher.start()


@worker_process_shutdown.connect
def stop(**_options: Any) -> None:
    """Publish what the process has counted since the last time. A pool process runs no `atexit`."""
    publisher = _publishers.get(os.getpid())
    if publisher is not None:
        publisher.stop()


atexit.register(stop)


def note_pool() -> None:
    """Note the state of this process's database pool, if it has one."""
    opened: Any = getattr(connections["default"], "_connection_pools", {}).get("default")
    if opened is None:
        return
    seen = opened.pop_stats()
    size = seen.get("pool_size", 0)
    COUNTERS.put(families.POOL_CONNECTIONS, size)
    COUNTERS.put(families.POOL_USED, size - seen.get("pool_available", 0))
    COUNTERS.put(families.POOL_LIMIT, seen.get("pool_max", 0))
    COUNTERS.put(families.POOL_WAITING, seen.get("requests_waiting", 0))
    if seen.get("requests_errors"):
        COUNTERS.count(families.POOL_TIMEOUTS, by=seen["requests_errors"])


def published() -> tuple[dict[Series, float], dict[str, float]]:
    """Return the counters of the site, and the sums of the gauges of its live processes.

    Raises `RedisError`.
    """
    with pool(darkroom().redis_url, seconds=_PATIENCE) as opened:
        client = Redis(connection_pool=opened)
        with client.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.hgetall(prefixed(_COUNTERS))
            pipeline.hgetall(prefixed(_PROCESSES))
            (now, _microseconds), amounts, states = pipeline.execute()
        processes = {name: json.loads(state) for name, state in states.items()}
        dead = [name for name, state in processes.items() if state["at"] < now - _LIVE]
        if dead:
            client.hdel(prefixed(_PROCESSES), *dead)
    counters = {}
    for text, amount in amounts.items():
        family, labels, part = json.loads(text)
        counters[Series(family, tuple(labels), part)] = float(amount)
    sums = {gauge.name: 0.0 for gauge in families.PROCESS_GAUGES}
    for name, state in processes.items():
        if name not in dead:
            for gauge, value in state["gauges"].items():
                sums[gauge] = sums.get(gauge, 0.0) + value
    return counters, sums
