"""A running site for the tests of faults."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.site import Site
from tests.rabbitmq import RabbitMQ


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Return the broker's settings: those of a running RabbitMQ node, or none for the site's Redis."""
    if request.config.getoption("--broker") == "redis":
        yield {}
        return
    node = RabbitMQ(Path(tempfile.mkdtemp(prefix="darkroom-rabbitmq-")))
    with node.running():
        yield {"CELERY_BROKER_URL": node.url}


@pytest.fixture(scope="session")
def _sites(request: pytest.FixtureRequest, broker: dict[str, str]) -> Iterator[Callable[[], Site]]:
    """Return a function that returns the site of this run, or a new one if it was closed."""
    running: list[Site] = []

    def get() -> Site:
        if not running or running[0].is_closed:
            folder = Path(tempfile.mkdtemp(prefix="darkroom-site-"))
            running[:] = [Site(folder, database=request.config.getoption("--database"), **broker)]
            running[0].open()
        return running[0]

    yield get
    for site in running:
        site.close()


@pytest.fixture
def site(request: pytest.FixtureRequest, _sites: Callable[[], Site]) -> Iterator[Site]:
    """Return the site with all its processes running, whatever the previous test did to it."""
    site, failed = _sites(), request.session.testsfailed
    site.make_whole()
    yield site
    if request.session.testsfailed > failed:
        sys.stdout.write(site.log_ends())
        # The next test gets a new site.
        site.close()
