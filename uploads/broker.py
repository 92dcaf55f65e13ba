"""The broker: what is sent to it, and what it and the workers say of themselves.

The database knows what is to be done; a message that is lost is published again.
"""

import logging

from amqp import AMQPError
from celery import current_app
from celery.canvas import Signature
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# What a broker that is away makes of a call: kombu's own error, or its client's (a refused
# connection, a time-out).
_ERRORS = (OperationalError, RedisError, AMQPError, OSError)
# Seconds for which workers may take to answer.
_PING_TIME = 1.0


class BrokerAway(Exception):
    """The broker does not answer."""


def publish(message: Signature) -> bool:
    """Hand a message to the broker; return False where it cannot be reached."""
    try:
        message.apply_async()
    # RabbitMQ's refusals (a queue of another type, a wrong password) come as its client's own errors.
    except (OperationalError, AMQPError) as error:
        logger.warning("The broker is away, %s will be queued again: %s", message.task, error)
        return False
    return True


def queue_depths() -> dict[str, int]:
    """Return how many messages wait in each queue.

    Raises `BrokerAway`.
    """
    depths = {}
    try:
        with current_app.connection_for_read() as connection:
            # Its default channel heeds the transport options: a broker that is away is asked once,
            # where `connection.channel()` would sleep and ask again.
            channel = connection.default_channel
            for queue in current_app.conf.task_queues:
                depths[queue.name] = queue(channel).queue_declare(passive=False).message_count
    except _ERRORS as error:
        raise BrokerAway(str(error)) from error
    return depths


def workers() -> dict[str, set[str]]:
    """Return the queues that each living worker consumes, by its name.

    Raises `BrokerAway`.
    """
    try:
        answers = current_app.control.inspect(timeout=_PING_TIME).active_queues() or {}
    except _ERRORS as error:
        raise BrokerAway(str(error)) from error
    return {name: {queue["name"] for queue in queues} for name, queues in answers.items()}
