"""Time limits of the statements that the web server and the workers send to PostgreSQL.

Commands such as `migrate` have none, because a person waits for them.
"""

import os
from typing import Any

from django.conf import settings

# Seconds by which the client waits longer than the server works.
_MARGIN = 5.0
# The server ends a session whose host was lost after 25 seconds, and so releases its locks. By default, Linux
# notices a silent client after two hours.
_LOST_CLIENT = (
    "-c tcp_keepalives_idle=10", "-c tcp_keepalives_interval=5", "-c tcp_keepalives_count=3",
    "-c tcp_user_timeout=25000",
)  # fmt: skip


def limit_statements() -> None:
    """Limit the time of each statement of this process. Call it before the first connection.

    The server ends a statement after `STATEMENT_TIMEOUT` seconds, or after it has waited `LOCK_TIMEOUT`
    seconds for a lock, and the session if it has lost the client. A pooler accepts no such parameters: the
    role and the pooler then have them (docs/deployment.md). If the server does not answer at all, the client
    gives up a little later.
    """
    database: dict[str, Any] = settings.DATABASES["default"]
    if database["ENGINE"] != "myproject.postgresql":
        return
    options = database["OPTIONS"]
    options["patience"] = settings.STATEMENT_TIMEOUT + _MARGIN if settings.STATEMENT_TIMEOUT else None
    if not settings.DATABASE_POOLER:
        # The last value counts. libpq ignores PGOPTIONS if there are `options`.
        given = (os.environ.get("PGOPTIONS", ""), options.get("options", ""))
        options["options"] = " ".join(filter(None, (*_parameters(), *_LOST_CLIENT, *given)))


def _parameters() -> tuple[str, str]:
    """Return the parameters in milliseconds. 0 turns a limit off."""
    limits = {"statement_timeout": settings.STATEMENT_TIMEOUT, "lock_timeout": settings.LOCK_TIMEOUT}
    statement, lock = (f"-c {name}={round(seconds * 1000)}" for name, seconds in limits.items())
    return statement, lock
