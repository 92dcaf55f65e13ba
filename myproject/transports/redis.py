"""Celery's connections to Redis as its broker and result backend, which survive a failover.

kombu and Celery would end the worker, or go on with a server that has become a replica.
"""

from typing import Any

from celery import Celery
from celery.backends.redis import RedisBackend
from kombu.transport import TRANSPORT_ALIASES, redis

from uploads.redis.connections import Pool, ServerDemoted, replaced


class Channel(redis.Channel):
    """A channel that replaces its connections."""

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        # The stubs of kombu show only its public methods.
        options: dict[str, Any] = super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]
        return options | {"connection_class": replaced(options["connection_class"])}


class Transport(redis.Transport):
    """The transport of `redis://`, `rediss://` and `redis+socket://`."""

    Channel = Channel
    connection_errors = (*redis.Transport.connection_errors, ServerDemoted)


class ResultBackend(RedisBackend):
    """The result backend of these addresses."""

    def __init__(self, **options: Any) -> None:
        super().__init__(connection_pool=Pool, **options)


def install(app: "Celery[Any]") -> None:
    """Let kombu and this application use these classes."""
    schemes = ("redis", "rediss")
    TRANSPORT_ALIASES.update(dict.fromkeys(schemes, f"{__name__}:{Transport.__name__}"))
    app.loader.override_backends = dict.fromkeys(schemes, f"{__name__}:{ResultBackend.__name__}")
