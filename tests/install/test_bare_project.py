"""A bare project with Darkroom from the wheel makes pictures and keeps limits, under WSGI and ASGI."""

import json
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import IN_CI, MakeImage
from tests.install.bare_project import NAME, PASSWORD, SERVERS, Project, built_wheel, interpreter, own_redis
from tests.processing.processes import ROOT
from tests.system import wait_until

pytestmark = pytest.mark.install

# The interpreter, the version of Django, and the extras, of the oldest and of the newest that are supported.
OLDEST = ((3, 11), (3, 11), "~=5.2.0", "")
NEWEST = ((3, 12), (3, 14), ">=6.0,<7", "[api,heif,s3]")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module", params=[OLDEST, NEWEST], ids=["oldest", "newest"])
def project(request: pytest.FixtureRequest, wheel: Path) -> Iterator[Project]:
    """Return a project whose worker runs."""
    oldest, newest, django, extras = request.param
    python = interpreter(oldest, newest)
    if python is None:
        problem = f"There is no Python from {oldest} to {newest}."
        if IN_CI:
            pytest.fail(problem)
        pytest.skip(problem)
    with tempfile.TemporaryDirectory(prefix="bare-") as folder, own_redis() as redis:
        made = Project(Path(folder), python=python, wheel=wheel, django=django, extras=extras)
        made.write(redis=redis, api=bool(extras))
        made.manage("migrate")
        made.manage(
            *("createsuperuser", "--noinput", "--username", NAME, "--email", "ada@example.com"),
            DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        )
        with made.running("celery", "-A", "shop", "worker", "-B", "-c", "1", "-l", "info", started=" ready."):
            yield made


def test_wheel_and_sdist_have_everything_that_is_built(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    (sdist,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        sources = {name.partition("/")[2] for name in archive.getnames()}
    built = {f"uploads/static/uploads/vendor/{name}.js" for name in ("htmx", "thumbhash", "uppy")}
    built |= {
        str(path.relative_to(ROOT).with_suffix(".mo"))
        for path in ROOT.glob("uploads/locale/*/LC_MESSAGES/django.po")
    }
    tracked = {
        str(path.relative_to(ROOT))
        for app in ("uploads", "processing")
        for path in (ROOT / app).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in {".mo", ".tmp"}
    }
    for packed in (names, sources):
        assert built | tracked <= packed
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"uploads", "processing"}


def test_checks_find_nothing_to_mend(project: Project) -> None:
    output = project.manage("check", "--fail-level", "WARNING")
    assert "darkroom.E" not in output
    assert "darkroom.W" not in output
    assert "No changes detected" in project.manage("makemigrations", "--check", "--dry-run")


@pytest.mark.parametrize("server", SERVERS)
def test_picture_becomes_ready(project: Project, server: str, make_image: MakeImage) -> None:
    with project.served(server) as browser:
        upload = browser.upload(make_image(width=1500, height=900, seed=len(server) + ord(server[0])))
        wait_until(lambda: browser.get(f"/photos/i/{upload}/large").status == 200, seconds=60)
        page = browser.get(f"/photos/uploads/{upload}/")
        assert page.status == 200
        assert "/photos/renditions/" in page.read().decode()
        assert browser.get("/photos/account/").status == 200
        assert browser.get("/photos/status/").status == 200


@pytest.mark.parametrize("server", SERVERS)
def test_file_that_is_too_large_is_refused(project: Project, server: str) -> None:
    with project.served(server) as browser:
        page = browser.send("/photos/", b"x" * 1_500_000).read().decode()
        assert "photo.jpg is larger than 1 MB. Upload a smaller file." in page


@pytest.mark.parametrize("server", SERVERS)
def test_api_is_there_if_its_extra_is(project: Project, server: str, make_image: MakeImage) -> None:
    has_api = "rest_framework" in (project.path / "shop" / "settings.py").read_text()
    with project.served(server) as browser:
        assert browser.get("/photos/api/schema/").status == (200 if has_api else 404)
        if has_api and server == "wsgi":
            assert browser.get("/photos/api/events/").status == 501
        answer = browser.send("/photos/api/uploads/", make_image(seed=9))
        refused = browser.send("/photos/api/uploads/", b"x" * 1_500_000)
        if not has_api:
            assert answer.status == 404
            assert refused.status == (413 if server == "guarded" else 404)
            return
        assert answer.status in {200, 201}
        upload = json.load(answer)
        assert upload["url"].endswith(f"/photos/api/uploads/{upload['id']}/")
        assert refused.status == 413
        assert json.load(refused)["code"] == "too_large"
