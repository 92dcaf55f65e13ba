"""The drill of `make hostile` at its smallest size."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile import corpus_at_once, drill, scene
from tests.hostile.scene import Scene
from tests.processing.pictures import expectations

pytestmark = pytest.mark.journey

SMALL = drill.Size(photographs=10, racers=4, images=2, side=(2400, 1600))
# Small files that are refused, or fail.
BYTES, KINDS = 4000, {"reject", "bounded"}


@pytest.fixture(scope="module")
def stage() -> Iterator[Scene]:
    """Return a running system with a mail server."""
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-") as folder,
        scene.started(Path(folder)) as found,
    ):
        yield found


def test_stranger_gets_a_thumbnail_amid_attacks(stage: Scene) -> None:
    """The bombs are refused, the quota holds, and the thumbnail comes before the end of the reprocessing."""
    note = drill.attacks_at_once(stage, SMALL)
    assert "422 too_many_pixels" in note
    assert "2 of 2 images kept" in note


def test_many_files_at_once_end_no_worker(stage: Scene, corpus: Path) -> None:
    found = expectations(corpus).items()
    files = {path: what for path, what in found if what in KINDS and path.stat().st_size < BYTES}
    assert len(files) > 20
    assert corpus_at_once.whole_corpus(stage, files).startswith(f"{len(files)} files: ")
