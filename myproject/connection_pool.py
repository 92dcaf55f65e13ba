"""The connection pool: the requests of one web process share a bounded number of database connections.

Only the web process has one. It opens a thread for each request, and each thread would open a connection of
its own. A worker has one connection for each of its processes or threads, and forks, which a pool does not
survive.
"""

from django.conf import settings

# Seconds that a request waits for a connection. An attempt to connect ends after as many, so that the next
# request makes a new one: after a long outage, psycopg's own pauses would grow to minutes.
_PATIENCE = 5.0


def share_connections() -> None:
    """Give the default database a pool of `DATABASE_POOL_SIZE` connections, if it is PostgreSQL.

    Call it before the first connection. A pool of 0 connections is none.
    """
    database = settings.DATABASES["default"]
    if database["ENGINE"] != "myproject.postgresql" or not settings.DATABASE_POOL_SIZE:
        return
    # The pool keeps the connections. Django checks each before it hands it to a request.
    database |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}
    database["OPTIONS"]["pool"] = {
        "name": "web",
        "min_size": 1,
        "max_size": settings.DATABASE_POOL_SIZE,
        "timeout": _PATIENCE,
        "reconnect_timeout": _PATIENCE,
    }
