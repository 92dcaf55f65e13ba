"""The operator: backs a site up, and restores an older database by the commands of docs/restore.md."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.faults.database import SQLite
from tests.faults.processes import ROOT
from tests.faults.site import Site
from tests.postgresql import PACKAGED

BACKUP = "darkroom.dump"
OLDER = "A database that is older than its storage"
PAGE = (ROOT / "docs" / "restore.md").read_text()


def commands(heading: str) -> Iterator[str]:
    """Yield the commands below a heading of the page."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    yield from (line.strip() for line in section.splitlines() if line.startswith("    "))


def back_up(site: Site, *, folder: Path) -> None:
    """Back the database up to a file in the folder, while the site uses it."""
    if isinstance(site.database, SQLite):
        site.database.back_up(folder / BACKUP)
    else:
        carry_out(site, f'pg_dump --format custom --file {BACKUP} "$DATABASE_URL"', folder=folder)


def restore(site: Site, *, folder: Path, name: str) -> str:
    """Stop the site, restore the backup, let this user adopt the newer images; return the output.

    Then the worker runs, but neither beat nor the web server.
    """
    for program in site.running():
        if program not in site.services:
            site.kill(program)
    told = ""
    for command in commands(OLDER):
        if "audit" in command:
            site.start("worker")
        if command.startswith("pg_restore") and isinstance(site.database, SQLite):
            site.database.restore(folder / BACKUP)
        else:
            told += carry_out(site, command, name=name, folder=folder)
    return told


def carry_out(site: Site, command: str, *, folder: Path, name: str = "") -> str:
    """Run a command of the page in a shell, and return its output."""
    line = command.replace(".venv/bin/python manage.py", f"{sys.executable} {ROOT / 'manage.py'}")
    url = site.environment["DATABASE_URL"].replace("postgres://", "postgresql://")
    environment = {
        **site.environment,
        "DATABASE_URL": url,
        "PATH": f"{PACKAGED / 'bin'}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["sh", "-c", line.replace("NAME", shlex.quote(name))],
        cwd=folder,
        env=environment,
        input="y\n",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    # An audit that found something has the exit status 1.
    assert done.returncode in ({0, 1} if " audit" in line else {0}), done.stdout + done.stderr
    return done.stdout
