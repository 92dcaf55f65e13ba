"""The systemd units on a machine with systemd: restarts and a roll-back under load lose no request."""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import IN_CI
from tests.install import nginx
from tests.install.host import FLOWER_PASSWORD, NEW, OLD, RELEASES, RESTART, SERVICES, Host
from tests.install.load import LARGE_EACH, SLOW_SENDERS
from tests.install.machine import lacks

pytestmark = pytest.mark.install

REQUESTS = 10_000
REQUESTS_DURING_ROLL_BACK = 2_000
# Restarts of every service, while the visitors send their requests.
ROUNDS = 4
ANSWERS = {
    *("image 200", "page 200", "picture 200", "picture 202", "stream 200"),
    *("link 201", "small upload 201", "large upload 201"),
}


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """Return a machine on which the whole site runs."""
    problem = lacks() or ("" if nginx.PROGRAM else "There is no nginx.")
    if problem:
        pytest.fail(problem) if IN_CI else pytest.skip(problem)
    with tempfile.TemporaryDirectory(prefix="darkroom-host-") as folder:
        host = Host(Path(folder))
        with host.running():
            try:
                host.install()
                yield host
            finally:
                # pytest shows this if a test fails.
                sys.stdout.write(host.machine.run("journalctl", "--no-pager", "--lines=500", check=False))


@pytest.fixture(scope="module")
def people(host: Host) -> str:
    return host.people()


def assert_nothing_is_lost(host: Host, report: dict[str, Any]) -> None:
    """Compare what the visitors report with the rows."""
    sys.stdout.write(f"{report}\n")
    assert set(report["answers"]) <= ANSWERS
    assert (report["unready"], report["repeated"], report["disorder"]) == ([], [], [])
    ids = "', '".join(report["uploads"])
    links = host.rows(f"SELECT count(*) FROM uploads_privatelink WHERE upload_id IN ('{ids}')")
    assert links == [(report["links"],)]


def test_every_service_runs(host: Host) -> None:
    units = [f"darkroom-{name}" for name in SERVICES]
    assert host.machine.run("systemctl", "is-active", *units).split() == ["active"] * len(units)
    assert host.get("/readyz")["renderer"] == "ok"
    log = host.machine.run("journalctl", "--unit=darkroom-notifications", "--no-pager")
    assert "uploads.recurring.sweep" in log


def test_flower_asks_for_the_password_of_the_environment_file(host: Host) -> None:
    flower = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:5555/"]
    assert host.machine.run(*flower) == "401"
    assert host.machine.run(*flower, "--user", FLOWER_PASSWORD) == "200"


def test_second_installation_keeps_the_settings(host: Host) -> None:
    settings = host.machine.run("cat", "/etc/darkroom/environment")
    host.machine.run(f"{RELEASES}/{NEW}/deploy/systemd/install.sh")
    assert host.machine.run("cat", "/etc/darkroom/environment") == settings


def test_restarts_under_load_lose_nothing(host: Host, people: str) -> None:
    rounds = 0
    with host.visitors(people, REQUESTS) as visitors:
        while rounds < ROUNDS and visitors.poll() is None:
            host.machine.run(RESTART)
            rounds += 1
        assert visitors.stdout is not None
        report = json.loads(visitors.stdout.read())
    assert_nothing_is_lost(host, report)
    assert rounds >= 2
    assert report["large"] == SLOW_SENDERS * LARGE_EACH
    assert report["answers"]["stream 200"] > report["people"]


def test_release_that_does_not_start_leaves_the_other_services_alone(host: Host) -> None:
    before = host.machine.run("systemctl", "show", "--property=MainPID", "darkroom-web@1", "darkroom-web@2")
    environment = host.machine.run("cat", "/etc/darkroom/environment")
    host.machine.run("tee", "-a", "/etc/darkroom/environment", stdin="RENDERER_SANDBOX=full\n")
    refused = host.machine.run(RESTART, check=False)
    assert "darkroom-bulk.service did not start: see journalctl --unit darkroom-bulk.service" in refused
    assert (
        host.machine.run("systemctl", "show", "--property=MainPID", "darkroom-web@1", "darkroom-web@2")
        == before
    )
    host.machine.run("tee", "/etc/darkroom/environment", stdin=environment)
    host.machine.run(RESTART)


def test_roll_back_under_load_loses_nothing(host: Host, people: str) -> None:
    assert host.releases() == {NEW}
    with host.visitors(people, REQUESTS_DURING_ROLL_BACK) as visitors:
        host.switch_to(OLD)
        host.machine.run(RESTART)
        assert host.releases() == {OLD}
        assert visitors.stdout is not None
        report = json.loads(visitors.stdout.read())
    assert_nothing_is_lost(host, report)
