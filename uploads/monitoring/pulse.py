"""The pulse of a process: a thread that sends its heartbeats, and gives an idle worker a task.

A process is alive if it works: a worker begins and ends tasks, and beat publishes messages. An idle worker
publishes a task that does nothing, the canary, to each of its queues. Each worker of a queue takes some of
these. While the broker is unavailable, no worker can take a task, and a restart would not help.
"""

import logging
import os
import socket
from collections.abc import Sequence
from threading import Event, Lock, Thread
from typing import Any

from celery import shared_task
from celery.signals import (
    after_task_publish,
    beat_init,
    task_postrun,
    task_prerun,
    worker_ready,
    worker_shutdown,
)
from django.db import Error as DatabaseError
from django.db import connections

from processing.conf import darkroom
from uploads import broker
from uploads.broker import BrokerAway
from uploads.models import Process
from uploads.monitoring import alive, processes

logger = logging.getLogger(__name__)

# A canary that waits behind others is not needed any more. The clocks of hosts may be apart.
_EXPIRES = 3600
# A fork waits while the thread works, so that no child inherits a lock of a library that the thread holds.
_working = Lock()
os.register_at_fork(
    before=_working.acquire, after_in_parent=_working.release, after_in_child=_working.release
)


# Without events, neither Flower nor a monitor of tasks counts it.
@shared_task(name="uploads.monitoring.canary", ignore_result=True, send_events=False)
def canary() -> None:
    """Do nothing: the worker that takes the message is alive."""


class Pulse(Thread):
    """Sends the heartbeats of this process until it ends."""

    def __init__(self, *, kind: Process.Kind, name: str, queues: Sequence[str] = ()) -> None:
        super().__init__(name="pulse", daemon=True)
        self._kind = kind
        self._name = name
        self._queues = list(queues)
        self._ended = Event()

    def run(self) -> None:
        """Send a heartbeat at once, and then regularly."""
        while True:
            with _working:
                self.beat()
            if self._ended.wait(darkroom().heartbeat):
                return

    def beat(self) -> None:
        """Send one heartbeat; an unavailable database gets the next one."""
        try:
            processes.record(name=self._name, kind=self._kind, queues=self._queues)
        except DatabaseError as error:
            logger.info("The heartbeat of %s was not recorded: %s", self._name, error)
        finally:
            connections.close_all()
        if self._kind != Process.Kind.WEB:
            self._prove()

    def end(self) -> None:
        """Stop, and remove what shows that this process is alive."""
        self._ended.set()
        with _working:
            alive.remove(self._name)
            try:
                processes.remove(self._name)
            except DatabaseError as error:
                logger.info("%s ends, which was not recorded: %s", self._name, error)
            finally:
                connections.close_all()

    def _prove(self) -> None:
        """Give an idle process a task to take, or excuse it while the broker is unavailable."""
        idle = alive.idle(self._name)
        if idle is None:
            # A process of the same name may have ended only after this one started.
            alive.touch(self._name)
        elif idle >= darkroom().heartbeat and not self._reaches_broker(
            stuck=idle > alive.longest(self._name)
        ):
            alive.touch(self._name)

    def _reaches_broker(self, *, stuck: bool) -> bool:
        """Publish canaries, and return whether the broker is available.

        The queues of a worker that takes none must not grow. If it was only suspended, one canary is enough.
        """
        queues = self._queues
        if stuck or self._kind != Process.Kind.WORKER:
            try:
                depths = broker.queue_depths()
            except BrokerAway:
                return False
            queues = [queue for queue in queues if depths.get(queue) == 0]
        return all(broker.publish(_canary_for(queue)) for queue in queues)


def _canary_for(queue: str) -> Any:
    return broker.in_queue(canary.s(), queue).set(expires=_EXPIRES)


class _Pulses:
    """The pulse of this process, if it has one."""

    def __init__(self) -> None:
        self._pulse: Pulse | None = None
        self.beat_name = ""

    def start(self, *, kind: Process.Kind, name: str, queues: Sequence[str] = ()) -> None:
        if not darkroom().heartbeat or self._pulse is not None:
            return
        if kind != Process.Kind.WEB:
            alive.touch(name)
        self._pulse = Pulse(kind=kind, name=name, queues=queues)
        self._pulse.start()

    def end(self) -> None:
        if self._pulse is not None:
            self._pulse.end()
            self._pulse = None


_pulses = _Pulses()


def start_web() -> None:
    """Start the pulse of a web process."""
    _pulses.start(kind=Process.Kind.WEB, name=f"web@{socket.gethostname()}:{os.getpid()}")


@worker_ready.connect
def start_worker(*, sender: Any, **_options: Any) -> None:
    """Start the pulse of a worker's main process."""
    if sender is not None:
        queues = list(sender.app.amqp.queues.consume_from)
        _pulses.start(kind=Process.Kind.WORKER, name=sender.hostname, queues=queues)


@beat_init.connect
def start_beat(**_options: Any) -> None:
    """Start the pulse of beat."""
    _pulses.beat_name = f"beat@{socket.gethostname()}"
    _pulses.start(kind=Process.Kind.BEAT, name=_pulses.beat_name)


@worker_shutdown.connect
def end_worker(**_options: Any) -> None:
    """End the pulse of a worker, so that it counts as gone at once."""
    _pulses.end()


@task_prerun.connect
@task_postrun.connect
def show_work(*, task: Any, **_options: Any) -> None:
    """Record that a worker begins or ends a task; a task that is called as a function has no worker."""
    if darkroom().heartbeat and task.request.hostname and not task.request.called_directly:
        alive.touch(task.request.hostname)


@after_task_publish.connect
def show_publishing(**_options: Any) -> None:
    """Record that beat has published a message."""
    if _pulses.beat_name:
        alive.touch(_pulses.beat_name)
