"""Renderers that crash, hang, run out of memory or are killed: the workers go on, and so do other uploads."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.faults.person import Person
from tests.faults.site import Site
from tests.system import wait_until

pytestmark = pytest.mark.fault


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, broker: dict[str, str]) -> Iterator[Site]:
    """Return a site whose steps have more time than those of the other tests.

    On a busy machine, a worker must be able to end its lease after the deadline of its renderer.
    """
    folder = Path(tempfile.mkdtemp(prefix="darkroom-site-"))
    limits = {"STEP_TIME_LIMIT": "20", "ENCODER_THREADS": "1"}
    with Site(folder, database=request.config.getoption("--database"), **limits, **broker) as site:
        site.make_whole()
        yield site


def send(site: Site, person: Person, failures: list[str]) -> list[str]:
    """Upload a picture for each failure, and others besides; return the ids of the first."""
    site.stop("worker")
    for _ in range(len(failures) + 5):
        assert person.send(site.pictures.next()).status == 201
    uploads = list(person.sent)[: len(failures)]
    for upload, failure in zip(uploads, failures, strict=True):
        site.order(boundary(person, upload), failure)
    site.go_on("worker")
    return uploads


def boundary(person: Person, upload: str) -> str:
    return f"renderer.{person.sent[upload]}"


def whole_pool(site: Site) -> set[int]:
    """Wait until the worker has all its processes, and return them."""
    wait_until(lambda: len(pool_of(site)) == 3)
    return pool_of(site)


def pool_of(site: Site) -> set[int]:
    """Return the pool's processes: the children of the worker's main process."""
    found = set()
    for pid in site.group("worker"):
        with suppress(OSError):
            parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == site.pid("worker"):
                found.add(pid)
    return found


def outcomes(person: Person) -> dict[str, tuple[str, Any]]:
    """Return the status and the error code of each upload."""
    described = {upload: person.upload(upload) for upload in person.sent}
    return {upload: (one["status"], (one["error"] or {}).get("code")) for upload, one in described.items()}


def test_picture_that_always_ends_its_renderer_fails_and_no_worker_dies(site: Site) -> None:
    person = site.person()
    before = whole_pool(site)
    crash, loop, memory = uploads = send(site, person, ["crash always", "loop always", "memory always"])
    site.wait_until_at_rest()
    ended = outcomes(person)
    assert ended[crash] == ended[loop] == ("failed", "processing_failed")
    assert ended[memory] == ("failed", "too_many_pixels")
    assert {ended[upload] for upload in person.sent if upload not in uploads} == {("ready", None)}
    # Tried again, and refused at once if only memory is lacking.
    assert [len(site.reached(boundary(person, upload))) for upload in uploads] == [2, 2, 1]
    assert "crashed on this file" in person.upload(crash)["error"]["detail"]
    assert "takes too long" in person.upload(loop)["error"]["detail"]
    assert pool_of(site) == before
    site.assert_promise()
    # Deaths count over reprocessing.
    person.reprocess(crash)
    site.wait_until_at_rest()
    assert person.upload(crash)["status"] == "failed"
    assert len(site.reached(boundary(person, crash))) == 2


def test_picture_whose_renderer_ends_once_becomes_ready(site: Site) -> None:
    person = site.person()
    before = whole_pool(site)
    uploads = send(site, person, ["crash", "kill", "loop"])
    site.wait_until_at_rest()
    assert set(outcomes(person).values()) == {("ready", None)}
    assert [len(site.reached(boundary(person, upload))) for upload in uploads] == [1, 1, 1]
    assert pool_of(site) == before
    counted = {row[0] for row in site.rows("SELECT content_hash FROM processing_original WHERE deaths > 0")}
    assert counted.isdisjoint(person.sent.values())
    site.assert_promise()
