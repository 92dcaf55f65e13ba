"""The broker: publish messages; ask for queue depths and workers; send a message to itself.

The sweeper publishes lost messages again, because the database is the truth.
"""

import json
import logging
import secrets
import time
from typing import Any

from amqp import AMQPError
from celery import current_app
from celery.canvas import Signature
from kombu import Producer, Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from processing.conf import darkroom
from processing.spans import DUE_AT

logger = logging.getLogger(__name__)

# Errors of an unavailable broker: kombu's own, or its client's (connection refused, time-out).
_ERRORS = (OperationalError, RedisError, AMQPError, OSError)
# Seconds to wait for the workers' replies.
_PING_TIME = 1.0
# Seconds in which a message to itself must arrive.
_ROUND_TRIP_TIME = 5.0


class BrokerAway(Exception):
    """The broker is unavailable."""


def publish(message: Signature) -> bool:
    """Publish a message; return False if the broker is unavailable."""
    try:
        message.apply_async()
    # RabbitMQ's refusals (wrong queue type, wrong password) and some of Redis are the client's own errors.
    except (OperationalError, AMQPError, RedisError) as error:
        logger.warning("The broker is unavailable; %s will be queued later: %s", message.task, error)
        return False
    return True


def in_queue(message: Signature, name: str) -> Signature:
    """Return a message for this queue; "" leaves it to the project's routes or default queue."""
    return message.set(queue=name) if name else message


def queues() -> dict[str, str]:
    """Return the name of the queue for each kind of work: the setting's, or else the project's own."""
    now = darkroom()
    return {
        "thumbnails": now.thumbnails_queue or _route_of("processing.tasks.generate_thumbnails"),
        "renditions": now.renditions_queue or _route_of("processing.tasks.resize_image"),
        "notifications": now.notifications_queue or _route_of("uploads.tasks.deliver"),
        "bulk": now.bulk_queue or _route_of("processing.tasks.resize_image"),
        "maintenance": _route_of("uploads.recurring.sweep"),
    }


def queue_names() -> list[str]:
    """Return the names of all queues, each once."""
    return list(dict.fromkeys(queues().values()))


def _route_of(task: str) -> str:
    """Return the name of the queue to which the project routes a task."""
    route: dict[str, Any] = current_app.amqp.router.route({}, task)
    return str(route["queue"].name) if "queue" in route else str(current_app.conf.task_default_queue)


def queue_depths() -> dict[str, int]:
    """Return how many messages wait in each queue.

    Raises `BrokerAway`.
    """
    depths = {}
    try:
        with current_app.connection_for_read() as connection:
            # The default channel respects the transport options: an unavailable broker is asked once.
            # `connection.channel()` would sleep and retry.
            channel = connection.default_channel
            for name in queue_names():
                queue: Any = current_app.amqp.queues[name]
                depths[name] = queue(channel).queue_declare(passive=False).message_count
    except _ERRORS as error:
        raise BrokerAway(str(error)) from error
    return depths


def oldest_messages() -> dict[str, float] | None:
    """Return when the oldest message of each queue was due, in seconds since 1970; empty queues are left out.

    Only Redis can show a message without taking it: with another broker, the result is None. Raises
    `BrokerAway`.
    """
    oldest: dict[str, float] = {}
    try:
        with current_app.connection_for_read() as connection:
            if connection.transport.driver_type != "redis":
                return None
            channel: Any = connection.default_channel
            for name in queue_names():
                # kombu adds the prefix to the keys of the commands that it uses itself.
                due_at = _due_at(channel.client.lindex(channel.global_keyprefix + name, -1))
                if due_at is not None:
                    oldest[name] = due_at
    except _ERRORS as error:
        raise BrokerAway(str(error)) from error
    return oldest


def _due_at(message: bytes | None) -> float | None:
    """Return when a message of Redis was due, or None if there is none, or another program has written it."""
    try:
        return float(json.loads(message or b"")["headers"][DUE_AT])
    except (KeyError, TypeError, ValueError):
        return None


def workers() -> dict[str, set[str]]:
    """Return the queues that each running worker consumes, by worker name.

    Raises `BrokerAway`.
    """
    try:
        answers = current_app.control.inspect(timeout=_PING_TIME).active_queues() or {}
    except _ERRORS as error:
        raise BrokerAway(str(error)) from error
    return {name: {queue["name"] for queue in queues} for name, queues in answers.items()}


def round_trip() -> None:
    """Publish a message to a temporary queue, and receive it.

    Raises `BrokerAway`.
    """
    name = f"darkroom.doctor.{secrets.token_hex(8)}"
    try:
        with current_app.connection_for_write() as connection:
            channel = connection.default_channel
            queue = Queue(name, durable=False, exclusive=True, auto_delete=True, expires=60)(channel)
            queue.queue_declare()
            Producer(channel).publish({"name": name}, exchange="", routing_key=name, serializer="json")
            try:
                _receive(queue)
            finally:
                queue.delete()
    except _ERRORS as error:
        raise BrokerAway(str(error)) from error


def _receive(queue: Queue) -> None:
    ends_at = time.monotonic() + _ROUND_TRIP_TIME
    while queue.get(no_ack=True) is None:
        if time.monotonic() >= ends_at:
            raise BrokerAway(f"A message did not arrive within {_ROUND_TRIP_TIME:g} seconds.")
        time.sleep(0.05)
