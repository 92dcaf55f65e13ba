"""A PgBouncer in transaction mode for the tests, with all its files in one folder."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.postgresql import PostgreSQL
from tests.system import wait_until

# Fewer connections to the server than the processes of a site need, so that they have to share each.
SERVER_CONNECTIONS = 3
CONFIGURATION = """
[databases]
postgres = host={server} port=5432 user=postgres
[pgbouncer]
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 200
auth_type = any
unix_socket_dir = {folder}
listen_port = 5432
logfile = {folder}/log
"""


def is_installed() -> bool:
    return shutil.which("pgbouncer") is not None


class PgBouncer:
    """A pooler in front of a PostgreSQL server. Clients connect to `url`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "pgbouncer"
        self._folder.mkdir()
        self.url = f"postgres://postgres:@/postgres?host={self._folder}"

    @contextlib.contextmanager
    def running(self, server: PostgreSQL) -> Iterator[None]:
        """Run it as the user of the server, because it refuses to run as root, too."""
        if server.user:
            shutil.chown(self._folder, server.user)
        (host,) = parse_qs(urlsplit(server.url).query)["host"]
        configuration = self._folder / "pgbouncer.ini"
        configuration.write_text(
            CONFIGURATION.format(server=host, connections=SERVER_CONNECTIONS, folder=self._folder)
        )
        with subprocess.Popen(
            ["pgbouncer", "--quiet", configuration], cwd=self._folder, user=server.user
        ) as process:
            try:
                wait_until((self._folder / ".s.PGSQL.5432").exists, seconds=10)
                yield
            finally:
                process.kill()
