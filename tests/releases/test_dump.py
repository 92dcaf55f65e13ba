"""The database of each release migrates to this one, and its uploads are there and served."""

import json
import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.faults.site import Site
from tests.postgresql import PostgreSQL

pytestmark = [pytest.mark.slow, pytest.mark.fault]

FOLDER = Path(__file__).parent
RELEASES = sorted(path.stem for path in FOLDER.glob("*.sql"))
ISSUE = """
import json
from django.contrib.auth.models import User
from uploads.tokens import issuing
print(json.dumps(issuing.issue(owner=User.objects.get(username="ada"), name="a new one", scope="all").key))
"""


class Restored(Site):
    """A site whose database and media are those of a release."""

    def __init__(self, folder: Path, *, release: str) -> None:
        super().__init__(folder)
        self._release = release

    def restore(self) -> None:
        assert isinstance(self.database, PostgreSQL)
        with psycopg.connect(self.database.url.replace("postgres://", "postgresql://")) as connection:
            connection.execute((FOLDER / f"{self._release}.sql").read_bytes())
        with zipfile.ZipFile(FOLDER / f"{self._release}.zip") as media:
            media.extractall(self.media)


@pytest.fixture(params=RELEASES)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """Return a running site with the uploads of a release, after its migrations."""
    with Restored(Path(tempfile.mkdtemp(prefix="darkroom-site-")), release=request.param) as site:
        site.make_whole()
        yield site


def test_uploads_of_a_release_are_there_and_served(site: Site) -> None:
    key = json.loads(site.manage("shell", "--no-imports", "--command", ISSUE))
    ada = replace(site.person(), token=key)
    uploads = ada.request("GET", "/api/uploads/").json()["results"]
    assert {upload["filename"] for upload in uploads} >= {"0.jpg", "1.jpg", "2.jpg", "3.jpg"}
    ready = [upload for upload in uploads if upload["status"] == "ready"]
    assert len(ready) == 4
    for upload in ready:
        assert ada.request("GET", f"/i/{upload['id']}/small").status == 200
        history = site.rows(f"SELECT name FROM uploads_event WHERE upload_id = '{upload['id']}'")
        assert {("upload.received",), ("upload.ready",)} <= set(history)
    assert len(ada.request("GET", "/api/webhooks/").json()["results"]) == 1
    # Nothing is missing or damaged, and nothing has to be rendered again.
    found = json.loads(site.manage("audit", "--json"))
    assert found["checked"] > len(ready)
    assert found["ok"]
    sent = ada.send(site.pictures.next())
    assert sent.status == 201
    site.wait_until_at_rest()
    assert ada.upload(sent.json()["id"])["status"] == "ready"


def test_dumps_have_no_personal_data() -> None:
    for release in RELEASES:
        text = (FOLDER / f"{release}.sql").read_text()
        addresses = set(re.findall(r"[\w.+-]+@[\w.-]+\.\w+", text))
        assert {address.partition("@")[2] for address in addresses} <= {"example.com"}
