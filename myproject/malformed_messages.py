"""Reject malformed messages, which would otherwise end the Celery worker.

The next worker would receive the same message and end too. The content is not logged, because it may contain
a password reset link.
"""

from collections.abc import Callable
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker import strategy
from celery.worker.consumer import consumer
from kombu import Message

# Errors raised for a body or headers that are not in the format of Celery.
_ERRORS = (AttributeError, LookupError, TypeError, ValueError)


def install() -> None:
    """Let Celery log the size of a rejected message instead of its content."""
    consumer.dump_body = size_of_body  # type: ignore[assignment]  # called by position


def size_of_body(message: Message, _body: Any) -> str:
    """Return the text to log instead of a body."""
    return f"({len(message.body or b'')} bytes)"


def careful(*arguments: Any, **options: Any) -> Callable[..., None]:
    """Return a task's message handler, which raises `InvalidTaskError` for a malformed message."""
    handle = strategy.default(*arguments, **options)

    def handle_carefully(*details: Any, **more: Any) -> None:
        try:
            handle(*details, **more)
        except _ERRORS as error:
            raise InvalidTaskError(f"malformed: {error!r}") from error

    return handle_carefully
