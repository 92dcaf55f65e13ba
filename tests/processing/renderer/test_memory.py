"""The memory of a process that decodes, measured in separate processes."""

import subprocess
import sys

import pytest

from tests.processing.processes import COUNT_FAULTS, ROOT

pytestmark = pytest.mark.slow

KEEP = "from processing.renderer import memory; memory.keep()"


def printed(code: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return process.stdout.strip()


def test_freed_memory_is_reused() -> None:
    assert int(printed(COUNT_FAULTS)) > 10_000
    assert int(printed(KEEP + COUNT_FAULTS)) < 100


def test_allocation_beyond_the_limit_fails_alone() -> None:
    code = """
from processing.renderer import memory
memory.limit(1 << 30)
try:
    bytearray(1 << 31)
except MemoryError:
    print("refused", len(bytearray(1 << 20)))
"""
    assert printed(code) == "refused 1048576"


def test_picture_beyond_the_memory_limit_fails_with_a_reason() -> None:
    code = """
from io import BytesIO
from PIL import Image
from processing.renderer import memory
from processing.images.source import decode
from tests.processing.pictures import LIMITS, SMALL
file = BytesIO()
Image.new("L", (14_000, 14_000)).convert("1").save(file, "PNG")
memory.limit(150 << 20)
try:
    decode(file.getvalue(), presets=[SMALL], limits=LIMITS)
except Exception as error:
    print(error.code, "-", error)
"""
    sentence = "The file needs too much memory. Upload a smaller version."
    assert printed(code) == f"too_many_pixels - {sentence}"


def test_memory_settings_are_skipped_without_glibc() -> None:
    code = """
import ctypes
from processing.renderer import memory
ctypes.CDLL = lambda name: object()
memory.keep()
print("went on")
"""
    assert printed(code) == "went on"
