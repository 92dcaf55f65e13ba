"""Messages that no worker of ours has sent: refused, where Celery would end the worker.

Its successor would get the same message again. What they say is not logged: it may be a mail with a link that
resets a password.
"""

from collections.abc import Callable
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker import strategy
from celery.worker.consumer import consumer
from kombu import Message

# What becomes of a body or of headers that are not as Celery makes them.
_ERRORS = (AttributeError, LookupError, TypeError, ValueError)


def install() -> None:
    """Have Celery log how long a message is that it drops, and not what stands in it."""
    consumer.dump_body = size_of_body  # type: ignore[assignment]  # called by position


def size_of_body(message: Message, _body: Any) -> str:
    """Return what is told of a body."""
    return f"({len(message.body or b'')} bytes)"


def careful(*arguments: Any, **options: Any) -> Callable[..., None]:
    """Return a task's handler of messages, which raises `InvalidTaskError` for one that is malformed."""
    handle = strategy.default(*arguments, **options)

    def handle_carefully(*details: Any, **more: Any) -> None:
        try:
            handle(*details, **more)
        except _ERRORS as error:
            raise InvalidTaskError(f"malformed: {error!r}") from error

    return handle_carefully
