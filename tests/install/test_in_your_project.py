"""A person follows `docs/in-your-project.md` word by word, and sees an article's picture in a browser."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from deploy.ports import HOST, any_free_port
from tests.conftest import IN_CI, MakeImage
from tests.install.bare_project import built_wheel, interpreter
from tests.install.followed_page import Project, steps
from tests.journeys import chromium
from tests.journeys.browsing import PATIENCE
from tests.processing.processes import ROOT
from tests.redis_server import plain_redis
from tests.storage.servers import ACCESS_KEY, SECRET_KEY, rclone_server
from tests.system import wait_until

pytestmark = pytest.mark.install

PAGE = ROOT / "docs" / "in-your-project.md"
# The interpreter of the tests, outside their environment.
OWN_PYTHON = f"{sys.base_prefix}/bin/python3.{sys.version_info.minor}"
TITLE, ALT = "Dawn at the harbour", "Three boats in the mist"
# Print the version of Django, and the folders from which the apps are imported.
ORIGINS = (
    "import django, processing as p, uploads as u; print(django.VERSION[0], p.__path__[0], u.__path__[0])"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    return built_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    """Run a Redis for the project."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with plain_redis(folder) as port:
        yield port


@pytest.fixture
def page(redis_port: int) -> str:
    """Return the text of the page, with the port of this Redis and a free one for the web server."""
    text = PAGE.read_text()
    for usual, free in ((8000, any_free_port()), (6379, redis_port)):
        assert f"{HOST}:{usual}" in text
        text = text.replace(f"{HOST}:{usual}", f"{HOST}:{free}")
    return text


@contextmanager
def made(page: str, *optional: str, wheel: Path, python: str, **environment: str) -> Iterator[Project]:
    """Follow the page in an empty folder. pip finds the wheel beside the packages that it finds as always."""
    links = f"{os.environ.get('PIP_FIND_LINKS', '')} {wheel.parent}".strip()
    with Project(python, {"PIP_FIND_LINKS": links, **environment}) as project:
        project.follow(steps(page, *optional))
        yield project


@dataclass(frozen=True, slots=True)
class Reader:
    """A person at a browser, with what the page tells them."""

    address: str
    name: str
    password: str

    @classmethod
    def of(cls, page: str) -> "Reader":
        """Find in the page what a person would read there."""
        patterns = (r"<(http://\S+/new/)>", r"--username (\S+)", r'DJANGO_SUPERUSER_PASSWORD="(.+?)"')
        address, name, password = (re.findall(pattern, page) for pattern in patterns)
        return cls(address[0], name[0], password[0])

    def is_served(self) -> bool:
        """Return whether the web server accepts connections."""
        parts = urlsplit(self.address)
        with (
            suppress(OSError),
            closing(create_connection((parts.hostname or "", parts.port or 0), timeout=5)),
        ):
            return True
        return False

    def write_article(self, window: Page, photo: Path) -> None:
        """Sign in, and send the form of an article."""
        window.goto(self.address)
        window.fill("[name=username]", self.name)
        window.fill("[name=password]", self.password)
        window.locator("[type=submit]").click()
        expect(window).to_have_url(self.address)
        window.fill("[name=title]", TITLE)
        window.set_input_files("[name=photo]", photo)
        window.get_by_label("Text alternative").fill(ALT)
        window.get_by_role("button", name="Save").click()
        expect(window).to_have_url(re.compile(r"/articles/\d+/$"), timeout=PATIENCE)


def see_the_picture(project: Project, page: str, photo: Path) -> None:
    """Do in Chromium what the page says, and see the picture once the worker has rendered it."""
    executable = chromium.path()
    if executable is None:
        if IN_CI:
            pytest.fail("There is no Chromium.")
        pytest.skip("There is no Chromium; install it, or set CHROMIUM to its path.")
    reader = Reader.of(page)
    wait_until(lambda: project.require_running() and reader.is_served())
    with chromium.launched(executable) as browser, closing(browser.new_context()) as context:
        context.set_default_timeout(PATIENCE)
        window = context.new_page()
        reader.write_article(window, photo)
        wait_until(lambda: project.require_running() and shows_a_rendition(window))
        assert window.get_by_role("heading").inner_text() == TITLE
        assert window.locator("img").get_attribute("alt") == ALT


def shows_a_rendition(window: Page) -> bool:
    """Reload the page, and return whether its picture is a rendition and no placeholder."""
    window.reload()
    shown = "image => image.currentSrc.includes('/renditions/') && image.complete && image.naturalWidth > 0"
    return bool(window.locator("img").evaluate(shown))


def django_of(project: Project) -> int:
    """Return the major version of the project's Django, after a look at the origin of Darkroom's apps."""
    django, *folders = project.run(f'python -c "{ORIGINS}"').split()
    assert all(Path(folder).is_relative_to(project.path / ".venv") for folder in folders)
    assert "allauth" not in project.run("python -m pip freeze")
    return int(django)


@pytest.fixture
def photo(tmp_path: Path, make_image: MakeImage) -> Path:
    """Return the file of a photo."""
    path = tmp_path / "harbour.jpg"
    path.write_bytes(make_image(width=1600, height=1200))
    return path


def test_article_of_a_bare_project_shows_its_picture(page: str, wheel: Path, photo: Path) -> None:
    with made(page, wheel=wheel, python=OWN_PYTHON) as project:
        assert django_of(project) >= 5
        see_the_picture(project, page, photo)
        assert any((project.path / "media" / "renditions").rglob("large-*"))


def test_article_shows_its_picture_on_the_newest_django_with_its_own_users_on_s3(
    page: str, wheel: Path, photo: Path, tmp_path: Path
) -> None:
    python = interpreter((3, 12), (3, 14))
    if python is None:
        if IN_CI:
            pytest.fail("There is no Python 3.12 or newer.")
        pytest.skip("There is no Python 3.12 or newer, which the newest Django needs.")
    buckets = tmp_path / "rclone" / "buckets"
    bucket, folder = (re.findall(rf'"{name}": "(\S+)"', page)[0] for name in ("bucket_name", "location"))
    (buckets / bucket).mkdir(parents=True)
    with (
        rclone_server(buckets) as endpoint,
        made(
            page,
            "On S3",
            "Your own user model",
            wheel=wheel,
            python=python,
            AWS_ENDPOINT_URL_S3=endpoint,
            AWS_ACCESS_KEY_ID=ACCESS_KEY,
            AWS_SECRET_ACCESS_KEY=SECRET_KEY,
            AWS_DEFAULT_REGION="us-east-1",
        ) as project,
    ):
        assert django_of(project) >= 6
        see_the_picture(project, page, photo)
        assert any((buckets / bucket / folder / "renditions").rglob("large-*"))
        assert not (project.path / "media").exists()


@pytest.mark.parametrize(
    "text",
    [
        "## 1. Install\n\n```sh\npython3 -m venv .venv\n```\n",
        "## 1. Install\n\n```sh\n# somewhere\npython3 -m venv .venv\n```\n",
        "## 1. Install\n\n```sh\n# in an empty folder\ntrue; false; true\n```\n",
        "## 1. Install\n\n```python\n# mysite/settings.py, at the end\nDEBUG = False\n```\n",
    ],
)
def test_page_with_an_error_cannot_be_followed(text: str) -> None:
    with Project(OWN_PYTHON, {}) as project, pytest.raises((AssertionError, FileNotFoundError)):
        project.follow(steps(text))
