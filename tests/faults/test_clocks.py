"""Hosts whose clocks are minutes apart share a database: the promise holds, and nothing waits for minutes."""

import hashlib
import http.client
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from deploy.ports import HOST
from tests.conftest import IN_CI
from tests.faults.person import Person
from tests.faults.site import PROGRAMS, Site
from tests.faults.wrong_clocks import LIBRARY, clock_ahead, shared_memory_removed
from tests.system import wait_until

pytestmark = pytest.mark.install

FIVE_MINUTES = 300
# Both workers serve all queues.
CLOCKS = {"web": FIVE_MINUTES, "worker": -FIVE_MINUTES, "worker-ahead": FIVE_MINUTES, "beat": -FIVE_MINUTES}
UPLOADS = 8


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """Return a site on PostgreSQL, each part of which runs on a host with a wrong clock."""
    if LIBRARY is None:
        message = "libfaketime is not installed."
        pytest.fail(message) if IN_CI else pytest.skip(message)
    folder = Path(tempfile.mkdtemp(prefix="darkroom-site-"))
    with shared_memory_removed(), Site(folder) as site:
        site.own_environments = {name: clock_ahead(seconds) for name, seconds in CLOCKS.items()}
        yield site
        if request.session.testsfailed:
            sys.stdout.write(site.log_ends())


def runs(site: Site, task: str) -> int:
    """Return how often the workers have run this task."""
    logs = [site.log(name).read_text() for name in CLOCKS if name.startswith("worker")]
    return sum(len(re.findall(rf"Task processing\.tasks\.{task}\[\S+\] succeeded", log)) for log in logs)


def date_of(person: Person) -> datetime:
    """Return the time on the host of the web server."""
    with closing(http.client.HTTPConnection(HOST, person.port, timeout=60)) as connection:
        connection.request("GET", "/healthz")
        return parsedate_to_datetime(connection.getresponse().headers["Date"])


def test_hosts_that_are_minutes_apart_keep_the_promise(site: Site) -> None:
    site.start(*PROGRAMS, "worker-ahead")
    person = site.person()
    assert date_of(person) > datetime.now(UTC) + timedelta(minutes=4)
    uploads = [person.send(site.pictures.next()).json() for _ in range(UPLOADS)]
    site.wait_until_at_rest()
    assert {person.upload(upload["id"])["status"] for upload in uploads} == {"ready"}
    # No upload looks stalled because of the clock of another host.
    assert UPLOADS <= runs(site, "generate_thumbnails") <= 2 * UPLOADS
    wait_until(lambda: person.request("GET", "/readyz").json()["checks"]["beat"] == "ok")

    # A worker dies whose clock is ahead. One that is ten minutes behind goes on when the lease expires.
    site.kill("worker")
    picture = site.pictures.next()
    boundary = f"resize_image.after_the_first_file.{hashlib.sha256(picture).hexdigest()}"
    site.order(boundary, "kill")
    assert person.send(picture).status == 201
    site.wait_until_reached(boundary)
    site.kill("worker-ahead")
    site.start("worker")
    site.wait_until_at_rest()

    # Deletions are timed by the database, too.
    assert person.delete(uploads[0]["id"]).status == 204
    site.wait_until_at_rest()
    site.remove_leftovers()
    site.assert_promise()
