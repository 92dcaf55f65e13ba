"""Django's PostgreSQL backend, whose connections wait for a limited time, so that a request does not hang.

A server that is frozen, or behind a broken network, ends no statement, whatever its `statement_timeout`. Its
kernel may go on confirming what it receives, so that keepalives do not notice it either. Only the client can
then give up.
"""

from typing import Any, TypeVar

import psycopg
from django.db.backends.postgresql import base
from psycopg import IsolationLevel
from psycopg.abc import PQGen
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.pq import TransactionStatus

Result = TypeVar("Result")

# Seconds between two looks for a signal, such as that of Ctrl-C: psycopg's default.
_INTERVAL = 0.1
# Seconds for the connection pool to check a connection, before it lends it to a request.
_CHECK = 5.0


class PatientConnection(psycopg.Connection[Any]):
    """A connection that is closed if the server does not answer within `patience` seconds (None: never).

    `refused_write` is whether it was used to write to a server that accepts only reads.
    """

    patience: float | None = _CHECK
    refused_write = False

    def wait(self, gen: PQGen[Result], interval: float = _INTERVAL, timeout: float | None = None) -> Result:
        """Wait for an answer; raise `psycopg.OperationalError` if there is none in time."""
        seconds = self.patience if timeout is None else timeout
        try:
            return super().wait(gen, interval, seconds)
        except ReadOnlySqlTransaction:
            self.refused_write = True
            raise
        except psycopg.OperationalError as error:
            # An error that the server reports ends the statement.
            if seconds is None or self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()
            raise psycopg.OperationalError(f"no answer within {seconds:g} seconds") from error


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, with the option `patience`: the seconds to wait for each answer, or None for ever."""

    @property
    def pool(self) -> Any:
        """Return Django's connection pool, with our connections, or None."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if options:
            options["connection_class"] = PatientConnection
        return super().pool

    def get_connection_params(self) -> dict[str, Any]:
        """Return the parameters of a connection, without those that PostgreSQL does not know."""
        params: dict[str, Any] = super().get_connection_params()
        params.pop("patience", None)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> PatientConnection:
        """Return a connection of the pool, or a new one without a pool."""
        connection: PatientConnection
        if self.pool:
            connection = super().get_new_connection(conn_params)
        else:
            # Django's, too, except that it takes an isolation level from the settings.
            self.isolation_level = IsolationLevel.READ_COMMITTED
            connection = PatientConnection.connect(**conn_params)
        connection.patience = self.settings_dict["OPTIONS"].get("patience")
        return connection

    def _close(self) -> None:
        """Return the connection to the pool, but close one that refused a write.

        After a failover, it may still lead to the former server, and a new one to the present server.
        """
        connection: PatientConnection | None = self.connection
        if connection is not None:
            connection.patience = _CHECK
            if connection.refused_write:
                connection.close()
        super()._close()  # type: ignore[misc]  # its stub lacks it
