"""Make the dump of this release: `.venv/bin/python -m tests.releases.dump`.

A site of real processes makes its rows: a user with a token, an endpoint and a quota, and uploads with
renditions, events and notices. The dump is plain SQL. The media are beside it, in an archive.
"""

import io
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

from PIL import Image

from tests.faults.person import Person
from tests.faults.site import Site
from tests.postgresql import PACKAGED, PostgreSQL
from tests.processing.processes import ROOT

FOLDER = Path(__file__).parent
_LEFT_OUT = ("django_session",)
# The site has made many people, of whom one has uploads. A site of the tests has a person of the same name.
_CHANGES = (
    "DELETE FROM uploads_token WHERE owner_id NOT IN (SELECT owner_id FROM uploads_upload) RETURNING 1",
    "DELETE FROM auth_user WHERE id NOT IN (SELECT owner_id FROM uploads_upload) RETURNING 1",
    "UPDATE auth_user SET username = 'ada', email = 'ada@example.com' RETURNING 1",
)
_COLOURS = ((200, 30, 30), (30, 160, 60), (40, 60, 200), (230, 200, 40))


def main() -> None:
    """Write `<version>.sql` and `<version>.zip` of the code in this clone."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    folder = Path(tempfile.mkdtemp(prefix="darkroom-dump-"))
    with Site(folder) as site:
        site.make_whole()
        _fill(site, site.person())
        site.wait_until_at_rest()
        for name in ("beat", "worker", "web"):
            site.kill(name)
        for query in _CHANGES:
            site.rows(query)
        assert isinstance(site.database, PostgreSQL)
        (FOLDER / f"{version}.sql").write_text(_dump(site.database.url))
        shutil.make_archive(str(FOLDER / version), "zip", site.media)


def _fill(site: Site, person: Person) -> None:
    headers = {"Content-Type": "application/json"}
    endpoint = b'{"url": "https://example.com/hook", "events": ["upload.deleted"]}'
    assert person.request("POST", "/api/webhooks/", endpoint, headers).status == 201
    for number, colour in enumerate(_COLOURS):
        assert person.send(_picture(colour), name=f"{number}.jpg").status == 201
    assert person.send(_picture(_COLOURS[0])[:700], name="broken.jpg").status in {201, 422}
    site.wait_until_at_rest()
    first, second, *_others = person.sent
    assert person.look_at(second, x=0.2, y=0.8).status == 200
    body = b'{"visibility": "private"}'
    assert person.request("PATCH", f"/api/uploads/{first}/", body, headers).status == 200


def _picture(colour: tuple[int, int, int]) -> bytes:
    data = io.BytesIO()
    Image.radial_gradient("L").resize((96, 64)).convert("RGB").point(
        [value * part // 255 for part in colour for value in range(256)]
    ).save(data, "JPEG")
    return data.getvalue()


def _dump(url: str) -> str:
    """Return the database as SQL, without the commands of psql, which have random words."""
    left_out = [f"--exclude-table-data={table}" for table in _LEFT_OUT]
    command = [str(PACKAGED / "bin" / "pg_dump"), "--inserts", "--no-owner", "--no-privileges", *left_out]
    found = subprocess.run([*command, url], capture_output=True, text=True, check=True)
    lines = found.stdout.splitlines()
    return "\n".join(line for line in lines if line and not line.startswith(("\\", "--"))) + "\n"


if __name__ == "__main__":
    main()
