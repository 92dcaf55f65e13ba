"""The fuzzer itself, and a small run of it. `make fuzz` is the large run."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile import fuzz
from tests.hostile.mutations import mutated
from tests.processing.processes import ROOT

pytestmark = pytest.mark.slow


def test_every_mutation_ends_in_an_allowed_way(corpus: Path) -> None:
    ended = fuzz.fuzz(seed=7, first=0, count=150)
    assert {number: hows for number, hows in ended.items() if not fuzz.HANDLED.issuperset(hows)} == {}
    # Some files are still pictures, but most are not.
    assert 10 < sum("rendering: done" in hows for hows in ended.values()) < 140


def test_mutations_are_reproducible_and_distinct(corpus: Path) -> None:
    seeds = list(fuzz.small_files(corpus))
    files = [mutated(seeds, seed=1, number=number) for number in range(200)]
    assert files == [mutated(seeds, seed=1, number=number) for number in range(200)]
    assert len({*files, mutated(seeds, seed=2, number=0)}) > 195
    assert len(set(files) & set(seeds)) < 5


@pytest.mark.parametrize(
    ("status", "name"), [(-11, "SIGSEGV"), (-27, "SIGPROF"), (-9, "SIGKILL"), (3, "status 3")]
)
def test_exit_status_names_the_cause(status: int, name: str) -> None:
    assert fuzz.ending(status) == name


def test_crashed_process_counts_only_for_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        number = int(command[-2])
        return subprocess.CompletedProcess(command, -11, f'[{number}, "header: done"]\n', "stack")

    monkeypatch.setattr(subprocess, "run", run)
    ended = dict(fuzz.follow(1, 0, 8))
    assert ended == {
        0: ["header: done"],
        2: ["ended by SIGSEGV: stack"],
        4: ["header: done"],
        6: ["ended by SIGSEGV: stack"],
    }


def test_exit_status_is_1_after_an_unhandled_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz", "--seed", "5", "--only", "3"])
    monkeypatch.setattr(fuzz, "fuzz", lambda **_: {3: ["header: done", "rendering: KeyError: 4"]})
    assert fuzz.main() == 1
    assert "--seed 5 --only 3: header: done; rendering: KeyError: 4" in capsys.readouterr().out
    monkeypatch.setattr(fuzz, "fuzz", lambda **_: {3: ["header: done", "rendering: memory"]})
    assert fuzz.main() == 0


def test_single_mutation_can_be_repeated(corpus: Path) -> None:
    command = [sys.executable, "-m", "tests.hostile.fuzz", "--only", "5", "--seed", "7"]
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (again.returncode, len(again.stdout.splitlines())) == (0, 2), again
