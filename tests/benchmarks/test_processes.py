"""The processes of the contenders: they do the work, or report why they cannot."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.catalog import CONTENDERS, Contender
from benchmarks.processes import ContenderFailed, Process
from benchmarks.work import RENDITIONS, renditions_for
from tests.conftest import MakeImage

pytestmark = pytest.mark.slow

SIZES = {1920: (1920, 1280), 1280: (1280, 853), 640: (640, 427), 320: (320, 213), 256: (256, 256)}


def contender_named(key: str, *, folder: Path) -> Contender:
    found = next(one for one in CONTENDERS if one.key == key)
    return replace(found, environment={**found.environment, "VAR_DIR": str(folder / "var")})


@pytest.mark.parametrize("key", ["darkroom", "tutorial"])
def test_contender_writes_nine_renditions(key: str, tmp_path: Path, make_image: MakeImage) -> None:
    source = tmp_path / "photo.jpg"
    source.write_bytes(make_image(width=2400, height=1600))
    with Process(contender=contender_named(key, folder=tmp_path), folder=tmp_path / "work") as process:
        costs = [process.work(source, RENDITIONS) for _ in range(2)]
    assert "pillow" in process.versions
    for cost in costs:
        assert 0 < cost.cpu < 60
        assert cost.peak >= cost.idle_peak > 2**20
    assert set(costs[-1].files) == {rendition.name for rendition in RENDITIONS}
    for rendition in RENDITIONS:
        with Image.open(costs[-1].files[rendition.name]) as image:
            assert image.size == SIZES[rendition.width]
            assert image.format == rendition.format.upper()


def test_darkroom_writes_an_animation_and_its_first_frame(tmp_path: Path) -> None:
    source = tmp_path / "animation.gif"
    frames = [Image.new("RGB", (400, 300), color) for color in ("red", "green", "blue")]
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=50)
    with Process(contender=contender_named("darkroom", folder=tmp_path), folder=tmp_path / "work") as process:
        files = process.work(source, renditions_for(400)).files
    assert set(files) == {"640.webp", "640.jpeg", "320.webp", "320.jpeg", "256.webp"}
    with Image.open(files["640.webp"]) as image:
        assert (image.size, image.n_frames) == ((400, 300), 3)  # type: ignore[attr-defined]
    with Image.open(files["320.jpeg"]) as image:
        assert image.size == (320, 240)


def test_missing_package_is_reported(tmp_path: Path) -> None:
    missing = Contender(key="x", label="X", module="tutorial", recipe="", packages=("no-such-package",))
    with pytest.raises(ContenderFailed, match="no-such-package"):
        Process(contender=missing, folder=tmp_path / "work")


def test_missing_environment_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.catalog.FOLDER", tmp_path)
    missing = Contender(key="x", label="X", module="thumbor", recipe="", runtime="thumbor")
    with pytest.raises(ContenderFailed, match="not installed"):
        Process(contender=missing, folder=tmp_path / "work")


def test_error_of_a_contender_is_reported(tmp_path: Path) -> None:
    source = tmp_path / "photo.jpg"
    source.write_bytes(b"no picture")
    contender = contender_named("tutorial", folder=tmp_path)
    with (
        Process(contender=contender, folder=tmp_path / "work") as process,
        pytest.raises(ContenderFailed, match="UnidentifiedImageError"),
    ):
        process.work(source, RENDITIONS)
