"""A site on several hosts. One after the other is cut off, falls silent, slows down and loses its power."""

import subprocess

import pytest

from tests.conftest import IN_CI
from tests.faults import hosts, network
from tests.faults.processes import ROOT
from tests.install import nginx

pytestmark = pytest.mark.install

NO_HOSTS = "Hosts need root, and Debian's packages iproute2 and nginx-light."


@pytest.fixture(scope="module", autouse=True)
def _hosts_can_be_made() -> None:
    if not network.can_be_private() or not nginx.PROGRAM:
        if IN_CI:
            pytest.fail(NO_HOSTS)
        pytest.skip(NO_HOSTS)


def run(module: str, *arguments: str) -> str:
    """Run a module in private namespaces, and return its output."""
    command, environment = network.in_private(module, arguments)
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1500, check=False
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    return done.stdout


@pytest.mark.usefixtures("corpus")
def test_every_host_fails_in_turn_and_the_promise_is_kept() -> None:
    output = run("tests.faults.soak", "--hosts", "--in-turn", "--seconds", "150")
    assert "The promise was kept." in output
    for host in hosts.HOSTS:
        for fault in hosts.FAULTS:
            assert f"host {host} {fault} 1" in output


def test_host_that_loses_its_power_leaves_no_lock() -> None:
    run("tests.faults.lost_host")
