"""Warming: afterwards nothing more is loaded, because the renderer cannot open a file any more."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processing.processes import ROOT

pytestmark = pytest.mark.slow

LOADED = """
import sys
from io import BytesIO
from pathlib import Path
from processing.errors import Refusal
from processing.images.reading.header import read_header
from processing.images.source import decode
from processing.images.warming import warm
from processing.presets import FORMATS, Preset, Recipe
from processing.images.reading.limits import Limits
LIMITS = Limits(pixels=210_000_000, animation_pixels=150_000_000)
SMALL = Preset(name="small", width=64, formats=FORMATS, keep_credit=True)
warm()
before = set(sys.modules)
for name in sys.argv[1:]:
    data = Path(name).read_bytes()
    try:
        read_header(BytesIO(data), name="x", limits=LIMITS)
        source = decode(data, presets=[SMALL], limits=LIMITS)
        list(source.render_all([Recipe(SMALL, format) for format in FORMATS]))
        source.placeholder(), source.focus()
    except Refusal:
        pass
print(sorted(set(sys.modules) - before))
"""


def test_nothing_is_loaded_after_warming(corpus: Path) -> None:
    files = sorted(path for path in corpus.rglob("*") if path.is_file() and path.stat().st_size < 100_000)
    names = [str(path) for path in files[::3]]
    process = subprocess.run(
        [sys.executable, "-c", LOADED, *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=250,
    )
    assert process.stdout.splitlines()[-1] == "[]"
