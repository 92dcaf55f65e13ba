"""A project of each peer is taken over with 200 images: by a dry run, a killed run, and one that ends."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from tests.conftest import MakeImage
from tests.install.peers import PACKAGES, PEERS, PeerProject
from tests.install.project import make_environment
from tests.processing.pictures import corpus_files
from tests.system import wait_until

pytestmark = pytest.mark.install

IMAGES = 200
ADOPT = ("-m", "django", "adopt_images", "blog.Article.photo", "--owner-field=author")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with the peers."""
    return make_environment(tmp_path_factory.mktemp("peers") / "environment", PACKAGES)


@pytest.fixture
def images(corpus: Path, make_image: MakeImage, tmp_path: Path) -> Path:
    """Return a folder of 200 images that every peer can open, each with other bytes: real and drawn ones."""
    folder = tmp_path / "images"
    folder.mkdir()
    files = [path for path in sorted(corpus_files(corpus, expect="accept")) if opens_everywhere(path)]
    suitable = list({path.read_bytes(): path for path in files}.values())[:IMAGES]
    for number, path in enumerate(suitable):
        shutil.copy(path, folder / f"{number:03}-{path.name}")
    for number in range(len(suitable), IMAGES):
        data = make_image(width=200 + number, height=300, seed=number, format=("JPEG", "PNG")[number % 2])
        (folder / f"{number:03}.{('jpg', 'png')[number % 2]}").write_bytes(data)
    return folder


def opens_everywhere(path: Path) -> bool:
    """Return whether a file is a small still picture, and Pillow alone decodes it without a warning."""
    if path.stat().st_size > 300_000:
        return False
    try:
        with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as image:
            ImageOps.exif_transpose(image)
            is_still = getattr(image, "n_frames", 1) == 1
            return (
                is_still and image.mode in {"RGB", "L"} and 64 <= min(image.size) <= max(image.size) <= 1500
            )
    except (OSError, ValueError, SyntaxError, Warning):
        return False


def adopted(folder: Path) -> int:
    """Return the number of articles with a picture in a project's database."""
    with closing(sqlite3.connect(folder / "db.sqlite3", timeout=60)) as database:
        (number,) = database.execute("SELECT count(picture_id) FROM blog_article").fetchone()
    return int(number)


@pytest.mark.parametrize("name", PEERS)
def test_project_is_taken_over(name: str, python: Path, images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    project = PeerProject(PEERS[name], python=python, folder=folder)
    project.migrate("blog")
    shown = project.json("fill.py", str(images))
    assert list(shown.values()) == [True] * IMAGES

    project.add_picture_field()
    project.migrate("blog")
    plan = project.json(*ADOPT, "--dry-run", "--json")
    assert (plan["rows"], plan["adopted"], plan["failed"]) == (IMAGES, IMAGES, [])
    assert adopted(folder) == 0

    with project.started(*ADOPT):
        wait_until(lambda: adopted(folder) >= 20, seconds=300)
    before = adopted(folder)
    assert 20 <= before < IMAGES
    result = project.json(*ADOPT, "--json")
    assert (result["adopted"], result["failed"]) == (IMAGES - before, [])
    again = project.json(*ADOPT, "--json")
    assert (again["rows"], again["adopted"]) == (0, 0)
    verified = project.json(*ADOPT, "--verify", "--json")
    assert (verified["verified"], verified["bytes"], verified["failed"]) == (IMAGES, plan["bytes"], [])

    rendered = project.json("-m", "django", "reprocess", "--all", "--sync", "--json")
    assert (rendered["failed"], rendered["waiting"]) == ([], 0)
    rows = project.json("compare.py")
    assert len(rows) == IMAGES
    # Different files may be the same once imagekit has processed them, and then share an upload.
    names = {(row["new"], Path(row["file"]).name) for row in rows}
    for row in rows:
        assert row["old"] == row["new"] == row["content_hash"], row["file"]
        assert (row["new"], row["filename"]) in names
        assert row["owner"] == row["author"]
        assert (row["status"], row["shown"]) == ("ready", 200), row["file"]
        width, height = row["shown_size"]
        old_width, old_height = row["old_size"]
        assert width == min(400, old_width)
        assert height == pytest.approx(width * old_height / old_width, abs=1)
