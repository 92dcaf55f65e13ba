"""A site behind PgBouncer in transaction mode: its processes share three connections to PostgreSQL."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import IN_CI
from tests.faults.site import Site
from tests.pgbouncer import SERVER_CONNECTIONS, PgBouncer, is_installed
from tests.postgresql import PostgreSQL

pytestmark = pytest.mark.install

NO_PGBOUNCER = "PgBouncer is not installed (Debian's pgbouncer)"
RECOUNT = "from uploads.upkeep.recount import recount_quotas; recount_quotas()"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Return a running site."""
    if not is_installed():
        if IN_CI:
            pytest.fail(NO_PGBOUNCER)
        pytest.skip(NO_PGBOUNCER)
    folder = Path(tempfile.mkdtemp(prefix="darkroom-site-"))
    pooler = PgBouncer(folder)
    site = Site(folder, DATABASE_URL=pooler.url, DATABASE_POOLER="1")
    assert isinstance(site.database, PostgreSQL)
    with pooler.running(site.database), site:
        site.make_whole()
        yield site


def test_uploads_audit_recount_and_reprocessing_work(site: Site) -> None:
    person = site.person()
    for _ in range(5):
        assert person.send(site.pictures.next()).status == 201
    site.wait_until_at_rest()
    site.rows("UPDATE uploads_quota SET images = 0 RETURNING images")
    assert json.loads(site.manage("audit", "--json"))["checked"] == 5 * 11
    site.manage("shell", "--no-imports", "--command", RECOUNT)
    assert site.rows("SELECT images FROM uploads_quota WHERE images > 0") == [(5,)]
    assert json.loads(site.manage("reprocess", "--all", "--force", "--json"))["queued"] == 5
    site.wait_until_at_rest()
    assert {person.upload(upload)["status"] for upload in person.sent} == {"ready"}
    assert person.page().status == 200
    site.assert_promise()


def test_no_setting_of_a_session_reaches_another(site: Site) -> None:
    """Each client may get a connection that others have used before."""
    site.manage("audit")
    assert isinstance(site.database, PostgreSQL)
    uri = site.environment["DATABASE_URL"].replace("postgres://", "postgresql://")
    for _ in range(2 * SERVER_CONNECTIONS):
        with psycopg.connect(uri, prepare_threshold=None) as connection:
            for name in ("statement_timeout", "lock_timeout"):
                assert connection.execute(f"SHOW {name}".encode()).fetchone() == ("0",)
