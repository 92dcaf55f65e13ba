"""Read files in a process with a worker's memory limit, and a minute of CPU time for each file.

`python -m tests.processing.limited [--header] FILE...` prints two JSON lists for each file: its number when
it begins, and its outcome when it has ended. If the second is missing, the file ended the process. `--header`
does only the web process's half.
"""

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from processing.errors import Refusal
from processing.images.reading.header import read_header
from processing.images.source import decode
from processing.presets import Recipe
from processing.renderer import memory
from tests.processing.pictures import LIMITS, THUMB, opened
from tests.processing.processes import ROOT

# Seconds of CPU time after which a file counts as endless. The slowest file, a HEIC of 200 megapixels, takes
# 8. The largest header takes 0.2.
SECONDS, HEADER_SECONDS = 60, 10
MEMORY = 4 << 30
REFUSED = {"unsupported_format", "unreadable_image", "too_many_pixels", "too_much_metadata"}
# Bytes that no rendition may contain: metadata chunks of JPEG, PNG and WebP, and their typical contents.
MARKS = [b"Exif", b"EXIF", b"eXIf", b"ICC_PROFILE", b"ICCP", b"iCCP", b"http://ns.adobe", b"<x:xmpmeta"]
MARKS += [b"XMP ", b"tEXt", b"iTXt", b"zTXt", b"Photoshop", b"GPSLatitude"]


class Ended(NamedTuple):
    """The outcome of a file, and its peak memory in MiB.

    `how` is "rendered", "read", the code of a refusal, "memory" if that ran out, or the error.
    """

    how: str
    memory: float = 0


def ends(files: Sequence[Path], *, header_only: bool = False) -> dict[Path, Ended]:
    """Return the outcome of each file. A crash affects only its file."""
    ended: dict[Path, Ended] = {}
    options = ["--header"] if header_only else []
    while len(ended) < len(files):
        rest = files[len(ended) :]
        command = [sys.executable, "-m", "tests.processing.limited", *options, *map(str, rest)]
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        reports = [json.loads(line) for line in process.stdout.splitlines()]
        ended |= {rest[number]: Ended(*end) for number, *end in reports if end}
        if len(reports) % 2 or not reports:
            # The decoder may have printed a reason.
            why = f"ended the process with {process.returncode}: {process.stderr[-300:]}"
            ended[files[len(ended)]] = Ended(why)
    return ended


def main() -> None:
    """Read the files of the command line."""
    memory.limit(MEMORY)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    names = [name for name in sys.argv[1:] if name != "--header"]
    end_of = header_end if "--header" in sys.argv else outcome
    for number, name in enumerate(names):
        # SIGPROF ends the process if a file does not finish, even inside a C library. It counts CPU time, so
        # that a busy machine has no effect.
        signal.setitimer(signal.ITIMER_PROF, HEADER_SECONDS if end_of is header_end else SECONDS)
        report(number)
        forget_peak()
        before = memory_used("VmRSS")
        how = end_of(Path(name))
        report(number, how, memory_used("VmHWM") - before)


def report(*values: object) -> None:
    """Print a line, and flush it."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def forget_peak() -> None:
    """Reset the kernel's record of the peak memory (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def memory_used(field: str) -> float:
    """Return this process's memory in MiB: the current one (`VmRSS`) or the peak (`VmHWM`)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(found) / 1024


def header_end(path: Path) -> str:
    """Return the outcome of reading a header from an open file, as in the web process."""
    try:
        with path.open("rb") as file:
            read_header(file, name="file", limits=LIMITS)
    except Refusal as refusal:
        return refusal.code
    return "read"


def outcome(path: Path) -> str:
    """Return the outcome of decoding and rendering."""
    try:
        render_checked(path.read_bytes())
    except Refusal as refusal:
        return "memory" if isinstance(refusal.__cause__, MemoryError) else refusal.code
    except Exception as error:  # noqa: BLE001 - the test reports it with its file
        return f"{type(error).__name__}: {error}"
    return "rendered"


def render_checked(data: bytes) -> None:
    """Render a file as a thumbnail in each format, and assert that only pixels come out."""
    header = read_header(BytesIO(data), name="file", limits=LIMITS)
    source = decode(data, presets=[THUMB], limits=LIMITS)
    assert source.transparent <= header.has_alpha, "transparent against its header"
    # A PNG may contain its orientation after its pixels.
    assert header.format == "png" or source.size == (header.width, header.height), "another size"
    for format in THUMB.formats_for(transparent=source.transparent):
        output = source.render(Recipe(THUMB, format))
        picture = opened(output.data)
        assert picture.size == (output.width, output.height) == (256, 256), "a wrong size"
        assert [mark for mark in MARKS if mark in output.data] == [], "metadata in a rendition"
        assert not picture.getexif(), "EXIF in a rendition"
    source.placeholder()


if __name__ == "__main__":
    main()
