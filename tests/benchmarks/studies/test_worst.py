"""benchmarks.studies.worst: the renditions that lost the most, with a stand-in for SSIMULACRA2.

Only the benchmark's environment has the package of the metric.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy
import pytest
from PIL import Image

pytestmark = pytest.mark.slow


def similarity(reference: BinaryIO, delivered: BinaryIO) -> float:
    """Return 100 for equal pictures, and less for different ones."""
    first, second = (numpy.asarray(Image.open(file), dtype=float) for file in (reference, delivered))
    return 100 - float(numpy.abs(first - second).mean())


@pytest.fixture
def worst(monkeypatch: pytest.MonkeyPatch) -> Any:
    package = ModuleType("ssimulacra2")
    vars(package)["compute_ssimulacra2"] = similarity
    monkeypatch.setitem(sys.modules, "ssimulacra2", package)
    for name in ("benchmarks.quality.ssimulacra", "benchmarks.studies.worst"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("benchmarks.studies.worst")


def noise(path: Path, *, side: int) -> None:
    pixels = numpy.random.default_rng(side).integers(0, 255, (side, side, 3), dtype=numpy.uint8)
    Image.fromarray(pixels).save(path)


def test_noise_loses_more_than_a_plain_picture_and_both_are_drawn(worst: Any, tmp_path: Path) -> None:
    corpus, folder = tmp_path / "corpus", tmp_path / "worst"
    (corpus / "frames").mkdir(parents=True)
    folder.mkdir()
    Image.new("RGB", (64, 64), "white").save(corpus / "plain.png")
    for name in ("noise.png", "same.png", "frames/left-out.png"):
        noise(corpus / name, side=64)
    (corpus / "broken.png").write_bytes(b"no picture")
    found = worst.study(source=corpus, folder=folder)
    assert [one["file"] for one in found] == ["noise.png", "plain.png"]
    assert found[0]["score"] < found[1]["score"] == 100
    with Image.open(folder / found[0]["picture"]) as image:
        assert image.width > 2 * worst.SHOWN_SIDE - 64


def test_reference_of_a_crop_is_the_same_part(worst: Any, tmp_path: Path) -> None:
    path = tmp_path / "halves.png"
    picture = Image.new("RGB", (600, 300), "white")
    picture.paste("black", (0, 0, 300, 300))
    picture.save(path)
    scores = {recipe.preset.name: score for score, recipe, _, _ in worst._scored(path.read_bytes())}
    assert "thumb" in scores
    assert min(scores.values()) > 95
