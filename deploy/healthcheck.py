"""Whether the web process in this container responds: `python -m deploy.healthcheck` exits with 0 or 1."""

import os
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

# Seconds. The health check of the image waits for five.
TIMEOUT = 4


def responds(*, port: int, host: str) -> bool:
    """Return whether `/healthz` on this port answers `200` to a request for this host."""
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/healthz", headers={"Host": host})
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def first_host(allowed: str) -> str:
    """Return a host that `ALLOWED_HOSTS` allows: `.photos.example` and `*` stand for many."""
    first = allowed.partition(",")[0].strip()
    return "localhost" if first == "*" else first.lstrip(".")


if __name__ == "__main__":
    sys.exit(not responds(port=8000, host=first_host(os.environ.get("ALLOWED_HOSTS", "localhost"))))
