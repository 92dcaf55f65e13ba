"""The memory of a process that decodes, seen in processes of their own."""

import subprocess
import sys

import pytest

from tests.processing.processes import ROOT

pytestmark = pytest.mark.pixels

FAULTS = """
import resource
from PIL import Image
from processing import memory
if {keep}:
    memory.keep()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        Image.new("RGB", (4000, 3000))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def printed(code: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return process.stdout.strip()


def test_what_was_freed_serves_the_next_picture() -> None:
    assert int(printed(FAULTS.format(keep=False))) > 10_000
    assert int(printed(FAULTS.format(keep=True))) < 100


def test_whoever_wants_more_than_the_limit_fails_alone() -> None:
    code = """
from processing import memory
memory.limit(1 << 30)
try:
    bytearray(1 << 31)
except MemoryError:
    print("refused", len(bytearray(1 << 20)))
"""
    assert printed(code) == "refused 1048576"


def test_where_there_is_no_glibc_nothing_is_changed() -> None:
    code = """
import ctypes
from processing import memory
ctypes.CDLL = lambda name: object()
memory.keep()
print("went on")
"""
    assert printed(code) == "went on"
