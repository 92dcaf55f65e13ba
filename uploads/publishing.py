"""Publish a message, or say that the broker is away: the database knows what is to be done."""

import logging

from amqp import AMQPError
from celery.canvas import Signature
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def publish(message: Signature) -> bool:
    """Hand a message to the broker; return False where it cannot be reached."""
    try:
        message.apply_async()
    # RabbitMQ's refusals (a queue of another type, a wrong password) come as its client's own errors.
    except (OperationalError, AMQPError) as error:
        logger.warning("The broker is away, %s will be queued again: %s", message.task, error)
        return False
    return True
