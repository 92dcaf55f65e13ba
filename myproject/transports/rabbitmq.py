"""RabbitMQ transports with a time limit; kombu's own would wait for ever."""

from typing import Any

from amqp import AMQPError
from kombu.transport import TRANSPORT_ALIASES, pyamqp


class NotConfirmed(AMQPError):
    """The node did not confirm the message in time; kombu does not send it again.

    kombu would retry a `TimeoutError` like a broken connection, and wait as long again.
    """


class Channel(pyamqp.Channel):
    """A channel that drops its connection if a message is not confirmed in time.

    A regular close has no time limit, and a stalled node does not answer it.
    """

    def basic_publish_confirm(self, *arguments: Any, **options: Any) -> Any:
        """Publish a message, and wait for the node's confirmation.

        Raises `NotConfirmed`.
        """
        connection = self.connection
        try:
            return super().basic_publish_confirm(*arguments, **options)
        except TimeoutError as error:
            connection.collect()
            raise NotConfirmed("RabbitMQ did not confirm the message in time.") from error


class Connection(pyamqp.Connection):
    """A connection that uses these channels."""

    Channel = Channel


class Transport(pyamqp.Transport):
    """The transport of `amqp://`."""

    Connection = Connection


class SSLTransport(pyamqp.SSLTransport):
    """The transport of `amqps://`."""

    Connection = Connection


def install() -> None:
    """Register these transports with kombu."""
    for scheme, transport in {"amqp": Transport, "amqps": SSLTransport}.items():
        TRANSPORT_ALIASES[scheme] = f"{transport.__module__}:{transport.__name__}"
