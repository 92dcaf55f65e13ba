"""The fuzzer itself, and a small run of it. `make fuzz` is the large run."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile import fuzz
from tests.hostile.mutations import mutated
from tests.processing.processes import ROOT

pytestmark = pytest.mark.slow


def test_no_mutation_ends_otherwise_than_it_may(corpus: Path) -> None:
    ended = fuzz.fuzz(seed=7, first=0, count=150)
    assert {number: hows for number, hows in ended.items() if not fuzz.HANDLED.issuperset(hows)} == {}
    # Some files are still pictures, but most are not.
    assert 10 < sum("rendering: done" in hows for hows in ended.values()) < 140


def test_a_mutation_is_the_same_again_and_no_other(corpus: Path) -> None:
    seeds = list(fuzz.small_files(corpus))
    files = [mutated(seeds, seed=1, number=number) for number in range(200)]
    assert files == [mutated(seeds, seed=1, number=number) for number in range(200)]
    assert len({*files, mutated(seeds, seed=2, number=0)}) > 195
    assert len(set(files) & set(seeds)) < 5


@pytest.mark.parametrize(
    ("status", "name"), [(-11, "SIGSEGV"), (-27, "SIGPROF"), (-9, "SIGKILL"), (3, "status 3")]
)
def test_what_ended_a_process_is_told(status: int, name: str) -> None:
    assert fuzz.ending(status) == name


def test_a_process_that_ends_early_counts_for_its_file_only(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_the_exit_status_tells_of_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz", "--seed", "5", "--only", "3"])
    monkeypatch.setattr(fuzz, "fuzz", lambda **_: {3: ["header: done", "rendering: KeyError: 4"]})
    assert fuzz.main() == 1
    assert "--seed 5 --only 3: header: done; rendering: KeyError: 4" in capsys.readouterr().out
    monkeypatch.setattr(fuzz, "fuzz", lambda **_: {3: ["header: done", "rendering: memory"]})
    assert fuzz.main() == 0


def test_a_single_one_is_done_again(corpus: Path) -> None:
    command = [sys.executable, "-m", "tests.hostile.fuzz", "--only", "5", "--seed", "7"]
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (again.returncode, len(again.stdout.splitlines())) == (0, 2), again
