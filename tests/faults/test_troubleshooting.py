"""The commands of docs/troubleshooting.md work on a running site."""

from pathlib import Path

import pytest

from tests.faults import restoring
from tests.faults.processes import ROOT
from tests.faults.site import Site

pytestmark = pytest.mark.fault

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
# The address of the web server in the page.
SERVER = "http://127.0.0.1:8000"


def test_every_command_of_the_page_works(site: Site, tmp_path: Path) -> None:
    ada = site.person()
    assert ada.send(site.pictures.next()).status == 201
    assert ada.send(b"no image").status == 415
    site.wait_until_at_rest()
    commands = list(restoring.commands_in(PAGE))
    assert len(commands) > 20
    told = [
        restoring.carry_out(
            site, command.replace(SERVER, f"http://127.0.0.1:{site.port}"), folder=tmp_path, token=ada.token
        )
        for command in commands
        # SQLite has no sessions.
        if site.has_database_server or not command.startswith("psql")
    ]
    output = "\n".join(told)
    assert "workers: " in output, "doctor names each part"
    assert '"ready": true' in output
    assert "thumbnails" in output, "the queues of the worker"
    assert "1 selected" in output or "uploads: 0" in output
    if site.has_database_server:
        assert "max_connections" in output
