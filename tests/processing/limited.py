"""Decode files in a process that may take 4 GiB of memory and a minute for each file.

`python -m tests.processing.limited FILE...` prints a JSON list for each: the file's number when it
begins, and with the outcome when it has ended. What is missing tells which file ended the process.
"""

import json
import resource
import signal
import sys
from io import BytesIO
from pathlib import Path

from processing.errors import Refusal
from processing.images.header import read_header
from processing.images.source import decode
from processing.presets import Recipe
from tests.processing.pictures import LIMITS, THUMB

MEMORY = 4 << 30
SECONDS = 60


def main() -> None:
    """Decode the files that the command line names."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for number, name in enumerate(sys.argv[1:]):
        # Whoever does not end in time is ended by SIGALRM, even in the midst of a C library.
        signal.alarm(SECONDS)
        sys.stdout.write(json.dumps([number]) + "\n")
        sys.stdout.flush()
        sys.stdout.write(json.dumps([number, outcome(Path(name).read_bytes())]) + "\n")
        sys.stdout.flush()


def outcome(data: bytes) -> str:
    """Return the code of the refusal, "memory" where that ran out, or "rendered"."""
    try:
        read_header(BytesIO(data), name="file", limits=LIMITS)
        source = decode(data, presets=[THUMB], limits=LIMITS)
        for format in THUMB.formats_for(transparent=source.transparent):
            source.render(Recipe(THUMB, format))
        source.placeholder()
    except Refusal as refusal:
        return "memory" if isinstance(refusal.__cause__, MemoryError) else refusal.code
    return "rendered"


if __name__ == "__main__":
    main()
