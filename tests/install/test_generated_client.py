"""A Python client that a generator makes from the schema uploads an image, waits for it and fetches it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeImage
from tests.system import System

pytestmark = pytest.mark.install

GENERATOR = "openapi-python-client==0.29.1"
PROGRAM = """
import json, sys, time
from io import BytesIO
from pathlib import Path
from client import AuthenticatedClient
from client.api.uploads import uploads_create, uploads_file_update, uploads_list, uploads_retrieve
from client.models import FileRequest, NewUploadRequest, Problem, StatusEnum, Upload
from client.models import UploadsListOrdering, VisibilityEnum
from client.types import File

site, token, first, second = sys.argv[1:]
client = AuthenticatedClient(base_url=site, token=token, prefix="Token", raise_on_unexpected_status=True)


def file(path):
    return File(payload=BytesIO(Path(path).read_bytes()), file_name=Path(path).name, mime_type="image/jpeg")


def wait(upload):
    for _ in range(600):
        found = uploads_retrieve.sync(client=client, id=upload.id)
        if found.status in (StatusEnum.READY, StatusEnum.FAILED):
            return found
        time.sleep(0.2)
    raise TimeoutError(found)


sent = uploads_create.sync(
    client=client, body=NewUploadRequest(file=file(first), visibility=VisibilityEnum.PRIVATE)
)
assert isinstance(sent, Upload), sent
ready = wait(sent)
picture = client.get_httpx_client().get(ready.renditions[0].url)
again = uploads_create.sync(client=client, body=NewUploadRequest(file=file(first)))
order = UploadsListOrdering.FILENAME
listed = uploads_list.sync(client=client, content_hash=ready.content_hash, ordering=order)
replaced = wait(uploads_file_update.sync(client=client, id=ready.id, body=FileRequest(file=file(second))))
refused = uploads_create.sync(
    client=client, body=NewUploadRequest(file=File(payload=BytesIO(b"%PDF-1.7"), file_name="a.pdf"))
)
assert isinstance(refused, Problem), refused
print(json.dumps({
    "status": ready.status, "name": ready.filename, "visibility": ready.visibility,
    "byte_size": ready.byte_size, "picture": [picture.status_code, len(picture.content)],
    "expected": ready.renditions[0].byte_size, "again": again.duplicate, "listed": len(listed.results),
    "replaced": [replaced.status, replaced.id == ready.id, replaced.filename], "refused": refused.code,
}))
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Return a running system."""
    running = System(tmp_path_factory.mktemp("system"))
    with running.ready():
        yield running


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with the generator, which brings what clients need."""
    folder = tmp_path_factory.mktemp("generator")
    interpreter = folder / "bin" / "python"
    uv = (sys.executable, "-m", "uv")
    make = (*uv, "venv", "--quiet", "--python", sys.executable, str(folder))
    subprocess.run(make, check=True, timeout=300)
    install = (*uv, "pip", "install", "--quiet", "--python", str(interpreter), GENERATOR)
    subprocess.run(install, check=True, timeout=600)
    return interpreter


def generate(system: System, python: Path, folder: Path) -> None:
    """Make the package `client` in a folder from the schema that the site serves."""
    command = (str(python.with_name("openapi-python-client")), "generate", "--meta", "none")
    address = f"{system.url}/api/schema/?format=json"
    done = subprocess.run(
        (*command, "--url", address, "--output-path", str(folder / "client"), "--fail-on-warning"),
        env={"PATH": str(python.parent)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_generated_client_uploads_waits_and_fetches(
    system: System, python: Path, tmp_path: Path, make_image: MakeImage
) -> None:
    generate(system, python, tmp_path)
    first, second = tmp_path / "first.jpg", tmp_path / "second.jpg"
    first.write_bytes(make_image(seed=1))
    second.write_bytes(make_image(seed=2))
    token = system.manage("drf_create_token", "demo").stdout.split()[2]
    command = (str(python), "-c", PROGRAM, system.url, token, str(first), str(second))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["name"], answer["visibility"]) == ("ready", "first.jpg", "private")
    assert answer["byte_size"] == first.stat().st_size
    assert answer["picture"] == [200, answer["expected"]]
    assert (answer["again"], answer["listed"]) == (True, 1)
    assert answer["replaced"] == ["ready", True, "second.jpg"]
    assert answer["refused"] == "unsupported_format"
