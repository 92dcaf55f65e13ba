"""A worker's host loses its power in the midst of a transaction, and PostgreSQL has to release its locks.

Run it in private namespaces (`tests.faults.network`). The exit status is 0 if it did so in time.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults.hosts import SpreadSite
from tests.faults.network import SILENT, Host
from tests.faults.processes import ROOT
from tests.system import wait_until

HOLD_LOCK = """
import django
django.setup()
from django.contrib.auth.models import User
from django.db import transaction
from myproject.postgresql.time_limits import limit_statements
limit_statements()
with transaction.atomic():
    User.objects.select_for_update().first()
    print("locked", flush=True)
    input()
"""
HELD = "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'"
# By default, a Linux server asks a silent client after two hours.
PATIENCE = 60


def main() -> None:
    """Start a database and a worker's host, and lose the host."""
    with SpreadSite(Path(tempfile.mkdtemp(prefix="darkroom-lost-host-"))) as site:
        lose(site, site.hosts["third"])
        wait_until(lambda: site.rows(HELD) == [], seconds=PATIENCE)


def lose(site: SpreadSite, host: Host) -> None:
    """Power the host off while one of its processes holds a lock."""
    with subprocess.Popen(
        host.inside(sys.executable, "-c", HOLD_LOCK),
        cwd=ROOT,
        env=site.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        assert site.rows(HELD) != []
        host.shape(*SILENT)
        process.kill()
    host.power_off()


if __name__ == "__main__":
    main()
