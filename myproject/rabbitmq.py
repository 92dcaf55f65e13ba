"""RabbitMQ as the broker, where kombu's transport would wait for ever."""

from typing import Any

from amqp import AMQPError
from kombu.transport import TRANSPORT_ALIASES, pyamqp


class NotConfirmed(AMQPError):
    """The node has not said in time that it has the message, and will not be asked again.

    A time-out would be tried again like a connection that is dead, and take the same time once more.
    """


class Channel(pyamqp.Channel):
    """A channel that drops its connection when a message is not confirmed in time.

    Closing it politely has no time limit, and a node that stalls answers no goodbye either.
    """

    def basic_publish_confirm(self, *arguments: Any, **options: Any) -> Any:
        """Publish a message, and wait until the node has it.

        Raises `NotConfirmed`.
        """
        connection = self.connection
        try:
            return super().basic_publish_confirm(*arguments, **options)
        except TimeoutError as error:
            connection.collect()
            raise NotConfirmed("RabbitMQ did not confirm the message in time.") from error


class Connection(pyamqp.Connection):
    """A connection of such channels."""

    Channel = Channel


class Transport(pyamqp.Transport):
    """The transport of `amqp://`."""

    Connection = Connection


class SSLTransport(pyamqp.SSLTransport):
    """The transport of `amqps://`."""

    Connection = Connection


def install() -> None:
    """Let kombu use these transports."""
    for scheme, transport in {"amqp": Transport, "amqps": SSLTransport}.items():
        TRANSPORT_ALIASES[scheme] = f"{transport.__module__}:{transport.__name__}"
