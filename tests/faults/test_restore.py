"""A backup that was taken in the midst of uploads is restored by the commands of docs/restore.md."""

import hashlib
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.faults.person import Person
from tests.faults.processes import ROOT
from tests.faults.site import Site
from tests.postgresql import PACKAGED
from tests.system import wait_until

pytestmark = pytest.mark.fault
ORIGINALS = """
    SELECT content_hash FROM processing_original
    JOIN uploads_upload ON uploads_upload.original_id = processing_original.id
    JOIN auth_user ON auth_user.id = uploads_upload.owner_id WHERE auth_user.username = '{name}'
"""
PAGE = (ROOT / "docs" / "restore.md").read_text()


def commands(heading: str) -> Iterator[str]:
    """Yield the commands below a heading of the page."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    yield from (line.strip() for line in section.splitlines() if line.startswith("    "))


def carry_out(site: Site, command: str, *, name: str, folder: Path) -> str:
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


def send_until(person: Person, pictures: Iterator[bytes], number: int) -> None:
    for _, data in zip(range(number), pictures, strict=False):
        assert person.send(data).status == 201


def test_restored_backup_costs_no_image(site: Site, tmp_path: Path) -> None:
    ada = site.person()
    pictures = [site.pictures.next() for _ in range(40)]
    sender = Thread(target=send_until, args=(ada, iter(pictures), len(pictures)))
    sender.start()
    wait_until(lambda: len(ada.sent) >= 10)
    backup = 'pg_dump --format custom --file darkroom.dump "$DATABASE_URL"'
    carry_out(site, backup, name=ada.name, folder=tmp_path)
    at_backup = len(ada.sent)
    sender.join(timeout=120)
    assert len(ada.sent) == len(pictures) > at_backup
    site.wait_until_at_rest()
    for name in ("beat", "web", "worker"):
        site.kill(name)
    told = ""
    for command in commands("A database that is older than its storage"):
        if "audit" in command:
            site.start("worker")
        told += carry_out(site, command, name=ada.name, folder=tmp_path)
    assert "unknown: originals/" in told
    assert "(adopted)" in told
    site.start("web", "beat")
    site.wait_until_at_rest()
    hashes = {hashlib.sha256(data).hexdigest() for data in pictures}
    assert {row[0] for row in site.rows(ORIGINALS.format(name=ada.name))} == hashes
    for content_hash in hashes:
        stored = site.media / "originals" / content_hash[:2] / content_hash
        assert hashlib.sha256(stored.read_bytes()).hexdigest() == content_hash
    # The uploads that came after the backup have other ids now.
    ada.sent.clear()
    site.assert_promise()
