"""Connections to Redis that are replaced when their server has become a replica.

After a failover, the address leads to another server, but open connections still lead to the old one. It
answers, and refuses every write. Its clients have to connect again.
"""

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, ConnectionPool
from redis.exceptions import ReadOnlyError, ResponseError
from redis.retry import Retry

from processing.conf import darkroom
from uploads.redis.address import parse, tls_options

# A replica's answers: to a write; to a client that waited for a message when its server became a replica; and
# to all commands while it has no data of its primary. Errors of scripts and transactions quote the first.
_DEMOTED = ("READONLY", "UNBLOCKED", "MASTERDOWN")


class ServerDemoted(ReadOnlyError):
    """The server has become a replica, so that it accepts no writes."""


class _Replaced(AbstractConnection):
    """A connection whose pool closes it after a replica's answer."""

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Return an answer.

        Raises `ServerDemoted`. redis-py would retry a `ConnectionError`, and kombu's transactions would do so
        for ever.
        """
        try:
            return super().read_response(*arguments, **options)
        except ResponseError as error:
            text = f"{error.status_code or ''} {error}".strip()
            if not any(word in text for word in _DEMOTED):
                raise
            self.mark_for_reconnect()  # type: ignore[no-untyped-call]
            raise ServerDemoted(text) from error


def replaced(base: type[AbstractConnection]) -> type[AbstractConnection]:
    """Return this class of redis-py or kombu with connections that are replaced."""
    return type(base.__name__, (_Replaced, base), {})


class Pool(ConnectionPool):
    """A pool of these connections."""

    def __init__(self, connection_class: type[AbstractConnection] = redis.Connection, **options: Any) -> None:
        super().__init__(replaced(connection_class), **options)

    def release(self, connection: Any) -> None:
        """Take a connection back. If its server is a replica now, close the idle ones: they lead there."""
        if connection.should_reconnect():
            self.disconnect(inuse_connections=False)
        super().release(connection)


def pool(url: str, *, seconds: float) -> Pool:
    """Return a pool of connections to this address, which wait at most this long and retry nothing."""
    return Pool.from_url(
        parse(url).url,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
        **tls_options(url, darkroom().redis_ca_file),
    )


def prefixed(name: str) -> str:
    """Return the name of a key or a channel of this site."""
    return darkroom().redis_key_prefix + name
