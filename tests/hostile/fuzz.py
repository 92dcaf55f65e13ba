"""Fuzz the decoders: read and render mutated files of the corpus like uploads.

`python -m tests.hostile.fuzz --count 20000 --seed 1` prints the outcomes. The exit status is 1 if a file
crashed or hung its process, raised an exception that is not a refusal, or took the web process too long.
`--only N` repeats a single file.
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import chain
from pathlib import Path

from processing.errors import Refusal
from processing.images.reading.header import read_header
from processing.images.reading.limits import Limits
from processing.images.source import decode
from processing.presets import Recipe
from processing.renderer import memory
from tests.hostile.mutations import mutated
from tests.processing.limited import HEADER_SECONDS, MEMORY, REFUSED, SECONDS, report
from tests.processing.pictures import CORPUS, NO_CORPUS, THUMB, opened
from tests.processing.processes import ROOT

LANES = 2
LARGEST_SEED = 200_000
# The default limits, except for fewer frames of animations, which find the same bugs.
LIMITS = Limits(pixels=210_000_000, animation_pixels=15_000_000)
# The allowed outcomes of both halves. "memory" means that memory ran out, which people see as too many
# pixels.
HANDLED = {f"{half}: {how}" for half in ("header", "rendering") for how in REFUSED | {"done", "memory"}}


def main() -> int:
    """Carry out the command line, and return the exit status."""
    parser = argparse.ArgumentParser(description="Fuzz the decoders.")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int)
    parser.add_argument("--lane", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not CORPUS.is_dir():
        parser.error(NO_CORPUS)
    if options.lane:
        start, step = options.lane
        read_all(seed=options.seed, numbers=range(start, options.count, step))
        return 0
    first, count = (0, options.count) if options.only is None else (options.only, options.only + 1)
    ended = fuzz(seed=options.seed, first=first, count=count)
    tell(ended, seed=options.seed)
    return 0 if all(how in HANDLED for hows in ended.values() for how in hows) else 1


def fuzz(*, seed: int, first: int, count: int) -> dict[int, list[str]]:
    """Return the outcomes of each file by its number: of its header and of its rendering."""
    lanes = [(seed, first + lane, count) for lane in range(LANES)]
    with ThreadPoolExecutor(LANES) as threads:
        ended = dict(chain.from_iterable(threads.map(lambda lane: follow(*lane), lanes)))
    assert sorted(ended) == list(range(first, count))
    return ended


def follow(seed: int, start: int, count: int) -> list[tuple[int, list[str]]]:
    """Return the outcomes of every LANES-th file. If a file ends the process, record it and start another."""
    ended: list[tuple[int, list[str]]] = []
    while (next_one := start + LANES * len(ended)) < count:
        command = [sys.executable, "-m", "tests.hostile.fuzz", "--seed", str(seed), "--count", str(count)]
        command += ["--lane", str(next_one), str(LANES)]
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        reports = [json.loads(line) for line in process.stdout.splitlines()]
        ended += [(number, hows) for number, *hows in reports if hows]
        if process.returncode:
            why = f"ended by {ending(process.returncode)}: {process.stderr[-300:]}"
            ended.append((start + LANES * len(ended), [why]))
    return ended


def ending(status: int) -> str:
    """Return the signal or the status that ended a process. SIGPROF is a hang."""
    return signal.Signals(-status).name if status < 0 else f"status {status}"


def read_all(*, seed: int, numbers: Sequence[int]) -> None:
    """Read and render the files with these numbers, with the limits of a worker."""
    memory.limit(MEMORY)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seeds = list(small_files(CORPUS))
    for number in numbers:
        data = mutated(seeds, seed=seed, number=number)
        # SIGPROF ends the process if a half does not finish, even inside a C library.
        signal.setitimer(signal.ITIMER_PROF, HEADER_SECONDS)
        header = header_end(data)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        report(number, f"header: {header}", f"rendering: {rendering_end(data)}")


def small_files(corpus: Path) -> Iterator[bytes]:
    """Yield the small files of the corpus, in the order of their paths."""
    for path in sorted(corpus.rglob("*.*")):
        if path.suffix not in {".json", ".md", ".LICENSE"} and path.stat().st_size <= LARGEST_SEED:
            yield path.read_bytes()


def header_end(data: bytes) -> str:
    """Return the outcome of the web process's half."""
    try:
        read_header(BytesIO(data), name="file", limits=LIMITS)
    except Refusal as refusal:
        return refusal.code
    except Exception as error:  # noqa: BLE001 - it is reported with the number of the file
        return f"{type(error).__name__}: {error}"
    return "done"


def rendering_end(data: bytes) -> str:
    """Return the outcome of the worker's half."""
    try:
        source = decode(data, presets=[THUMB], limits=LIMITS)
        for format in THUMB.formats_for(transparent=source.transparent):
            assert opened(source.render(Recipe(THUMB, format)).data).size == (256, 256)
        source.placeholder()
        source.focus()
    except Refusal as refusal:
        return "memory" if isinstance(refusal.__cause__, MemoryError) else refusal.code
    except Exception as error:  # noqa: BLE001 - as above
        return f"{type(error).__name__}: {error}"
    return "done"


def tell(ended: dict[int, list[str]], *, seed: int) -> None:
    """Print the number of files for each outcome, and each file with an outcome that is not allowed."""
    for how, count in sorted(Counter(how for hows in ended.values() for how in hows).items()):
        sys.stdout.write(f"{count:7} {how}\n")
    for number, hows in ended.items():
        if not HANDLED.issuperset(hows):
            sys.stdout.write(f"--seed {seed} --only {number}: {'; '.join(hows)}\n")


if __name__ == "__main__":
    sys.exit(main())
