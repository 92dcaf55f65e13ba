"""benchmarks.inputs: the pictures are made by code or from the corpus."""

from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.inputs import photos
from benchmarks.inputs.pictures import GROWTH, PICTURES, Picture, make_all
from benchmarks.inputs.screenshots import screenshot


def test_names_are_unique() -> None:
    names = [picture.name for picture in [*PICTURES, *GROWTH]]
    assert len(set(names)) == len(names)


def test_pictures_of_every_kind_that_people_send_are_measured() -> None:
    assert {picture.kind for picture in PICTURES} == {"jpg", "png", "heic", "webp", "avif", "gif"}


@pytest.mark.slow
@pytest.mark.usefixtures("corpus")
def test_screenshot_is_the_same_in_each_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("benchmarks.inputs.pictures.INPUTS", tmp_path)
    for name in ("first.png", "second.png"):
        make_all([Picture(name, name, partial(screenshot, size=(1280, 800)))])
    first, second = [(tmp_path / name).read_bytes() for name in ("first.png", "second.png")]
    assert first == second


@pytest.mark.slow
@pytest.mark.usefixtures("corpus")
def test_animation_has_sixty_different_frames(tmp_path: Path) -> None:
    path = tmp_path / "animation.gif"
    photos.animated_gif(path, size=(240, 180))
    with Image.open(path) as image:
        frames = set()
        for index in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(index)
            frames.add(image.convert("RGB").tobytes())
    assert len(frames) == photos.FRAMES == 60


@pytest.mark.usefixtures("corpus")
def test_phone_picture_has_twelve_megapixels_and_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "phone.heic"
    photos.heic(path)
    picture = next(one for one in PICTURES if one.kind == "heic")
    with Image.open(path) as image:
        assert image.size == (4032, 3024)
        assert image.info["icc_profile"]
    assert picture.converted
