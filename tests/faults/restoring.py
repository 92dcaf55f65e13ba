"""The operator: carries out the commands of a page, such as those of docs/restore.md."""

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
    """Yield the commands below a heading of docs/restore.md."""
    yield from commands_in(PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0])


def commands_in(text: str) -> Iterator[str]:
    """Yield the commands in a part of a page. Each command is an indented line."""
    yield from (line.strip() for line in text.splitlines() if line.startswith("    "))


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


def carry_out(site: Site, command: str, *, folder: Path, name: str = "", **variables: str) -> str:
    """Run a command of a page in a shell with the settings of the site, and return its output."""
    line = command.replace(".venv/bin/python", sys.executable).replace(" manage.py", f" {ROOT}/manage.py")
    url = site.environment["DATABASE_URL"].replace("postgres://", "postgresql://")
    environment = {
        **site.environment,
        "DATABASE_URL": url,
        "PATH": f"{PACKAGED / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        **variables,
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
    assert done.returncode in statuses(line), f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def statuses(command: str) -> set[int]:
    """Return the exit statuses of a command that works: some say that they have found something."""
    if any(f" {name}" in command for name in ("audit", "check", "doctor")):
        return {0, 1}
    # curl ends an event stream after this time.
    return {28} if "--max-time" in command else {0}
