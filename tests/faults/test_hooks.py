"""Hooks that are unavailable, fail, hang or kill their worker: uploads wait, and nothing of them is shown."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import gatekeeper
from tests.faults.site import Site
from tests.system import wait_until

pytestmark = pytest.mark.fault
ATTEMPTS = "SELECT attempts FROM processing_lease WHERE step = 'check_original'"


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, broker: dict[str, str]) -> Iterator[Site]:
    """Return a site with a hook, which may take a second."""
    folder = Path(tempfile.mkdtemp(prefix="darkroom-site-"))
    hooks = {"HOOKS": "tests.faults.gatekeeper.check", "HOOK_TIMEOUT": "1"}
    with Site(folder, database=request.config.getoption("--database"), **hooks, **broker) as site:
        site.make_whole()
        yield site


@pytest.mark.parametrize("fault", gatekeeper.FAULTS)
def test_uploads_wait_until_the_hook_decides(site: Site, fault: str) -> None:
    person = site.person()
    order = site.orders / gatekeeper.ORDER
    order.write_text(fault)
    for _ in range(3):
        assert person.send(site.pictures.next()).status == 201
    # The sweeper has started each check again.
    wait_until(lambda: [attempts > 1 for (attempts,) in site.rows(ATTEMPTS)] == [True] * 3)
    for upload in person.sent:
        assert person.upload(upload)["status"] == "pending"
        assert person.request("GET", f"/i/{upload}/thumb").status == 202
        assert person.request("GET", f"/uploads/{upload}/original").status == 404
    order.unlink()
    site.wait_until_at_rest()
    assert {person.upload(upload)["status"] for upload in person.sent} == {"ready"}
    site.assert_promise()
