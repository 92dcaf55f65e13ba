"""Which errors mean that the database is unavailable, and whether it refuses writes."""

from django.db import InterfaceError, InternalError, OperationalError, connection

# The errors of an unavailable database, as PEP 249 names them. `OperationalError`: there is no connection, no
# room or no time left. `InterfaceError`: the connection is closed. `InternalError`: PostgreSQL accepts no
# writes (class 25 of its error codes), for example after a failover.
DATABASE_UNAVAILABLE = (OperationalError, InterfaceError, InternalError)


def refuses_writes() -> bool:
    """Return whether the database answers, but accepts no writes. Asks without writing.

    A PostgreSQL standby does so, and a server with `default_transaction_read_only`, which hosting providers
    turn on when its disk is almost full. Other databases cannot be asked. Raises `DATABASE_UNAVAILABLE`.
    """
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        return bool(cursor.fetchone() == ("on",))
